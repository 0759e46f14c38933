"""What a build's command finds around it: the net by the machine's own authorities, and no trace of it in the image."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_server import make_authority, make_certificate
from wherry_command import Result, Wherry

WHEEL = "tinypkg-1.0-py3-none-any.whl"


class Site:
    """An https server of a company: a wheel, a Debian package, a repository, signed by an authority of its own."""

    def __init__(self, folder: Path) -> None:
        self.ca, key = make_authority(folder)
        certificate = make_certificate(folder, self.ca, key, "127.0.0.1")
        self.root = folder / "www"
        self._fill(folder)
        root = str(self.root)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *given: object) -> None:
                super().__init__(*given, directory=root)  # type: ignore[arg-type]

            def log_message(self, *given: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _fill(self, folder: Path) -> None:
        simple = self.root / "simple/tinypkg"
        simple.mkdir(parents=True)
        (simple / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
        info = "tinypkg-1.0.dist-info"
        with zipfile.ZipFile(simple / WHEEL, "w") as wheel:
            wheel.writestr("tinypkg/__init__.py", "")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        control = folder / "package/DEBIAN"
        control.mkdir(parents=True)
        (control / "control").write_text(
            "Package: tinydeb\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
        )
        deb = self.root / "deb/tinydeb.deb"
        deb.parent.mkdir()
        run("dpkg-deb", "--root-owner-group", "-b", str(folder / "package"), str(deb))
        listed = f"Filename: tinydeb.deb\nSize: {deb.stat().st_size}\nSHA256: {run('sha256sum', str(deb)).split()[0]}\n"
        (deb.parent / "Packages").write_text((control / "control").read_text() + listed)
        repository = self.root / "code.git"
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        run("git", *who, "init", "-q", str(folder / "code"))
        (folder / "code/file").write_text("from git\n")
        run("git", "-C", str(folder / "code"), "add", ".")
        run("git", *who, "-C", str(folder / "code"), "commit", "-qm", "one")
        run("git", "clone", "-q", "--bare", str(folder / "code"), str(repository))
        run("git", "-C", str(repository), "update-server-info")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("site"))
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, pushed: Callable[..., str]) -> Wherry:
    """The command in a store that has a Debian with programs that fetch."""
    found = Wherry(tmp_path_factory.mktemp("wherry"))
    found.ok("pull", "-q", pushed("fetch"))
    found.ok("tag", pushed("fetch"), "fetch")
    return found


@pytest.fixture
def build(command: Wherry, site: Site, tmp_path: Path) -> Callable[..., Result]:
    """``build(commands, options...)`` runs them in one step, upon an image with the programs."""

    def one(commands: str, *options: str, **env: str) -> Result:
        lines = " && \\\n    ".join(["set -ex", f"U={site.url}", *commands.strip().splitlines()])
        (tmp_path / "Dockerfile").write_text(f"FROM fetch\nRUN {lines}\n")
        given = {"SSL_CERT_FILE": str(site.ca), "no_proxy": "127.0.0.1", **env}
        return command("build", "--progress", "plain", "-t", "made", *options, str(tmp_path), env=given)

    return one


def layer_of(command: Wherry, folder: Path) -> Path:
    """The whole image, unpacked."""
    command.ok("export", "-o", str(folder / "root.tar"), "made")
    (folder / "root").mkdir()
    run("tar", "-C", str(folder / "root"), "--exclude=./dev/*", "--exclude=dev/*", "-xf", str(folder / "root.tar"))
    return folder / "root"


@pytest.mark.parametrize("owners", ["supervisor", "proot"])
def test_every_program_that_fetches_trusts_the_machine_s_authorities_and_none_stays(
    build: Callable[..., Result], command: Wherry, site: Site, tmp_path: Path, owners: str
) -> None:
    made = build(
        """
        curl -sS -o /opt/by-curl $U/deb/Packages
        wget -q -O /opt/by-wget $U/deb/Packages
        git clone -q $U/code.git /opt/by-git
        pip download -q --no-deps --no-cache-dir --index-url $U/simple -d /opt/by-pip tinypkg
        echo "import urllib.request as u, sys; print(u.urlopen(sys.argv[1]).read().decode(), end='')" >/opt/get.py
        python3 /opt/get.py $U/deb/Packages >/opt/by-python
        openssl s_client -verify_return_error -connect ${U#https://} </dev/null >/dev/null
        echo "deb [trusted=yes] $U/deb ./" >/etc/apt/sources.list.d/site.list
        apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/site.list -o Dir::Etc::sourceparts=-
        apt-get -q install -y tinydeb
        useradd -m app
        su app -c 'pip install -q --user --no-deps --no-cache-dir --no-index --break-system-packages /opt/by-pip/*.whl'
        su app -c 'python3 -c "import tinypkg, os; assert os.getuid() == 1000"'
        """,
        "--no-cache",
        "--owners",
        owners,
    )
    assert made.status == 0, str(made)
    root = layer_of(command, tmp_path)
    for name in ("by-curl", "by-wget", "by-python"):
        assert (root / "opt" / name).read_bytes() == (site.root / "deb/Packages").read_bytes()
    assert (root / "opt/by-git/file").read_text() == "from git\n"
    assert (root / "opt/by-pip" / WHEEL).exists()
    assert "Package: tinydeb" in (root / "var/lib/dpkg/status").read_text()
    secret = site.ca.read_text().splitlines()[2]
    found = subprocess.run(
        ["grep", "-rl", "-e", secret, "-e", "/run/wherry", str(root)], capture_output=True, text=True
    )
    assert found.stdout == ""
    assert not (root / "run/wherry").exists()
    assert "wherry" not in command.ok("inspect", "made", "--format", "{{json .Config.Env}}")


def test_an_image_s_own_set_can_be_made_anew_and_added_to_while_the_machine_s_is_shown(
    build: Callable[..., Result], command: Wherry, site: Site, tmp_path: Path
) -> None:
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    made = build(
        f"""
        cp {bundle} /opt/copied.pem
        update-ca-certificates --fresh
        wget -q -O /dev/null $U/deb/Packages
        curl -sS -o /dev/null $U/deb/Packages
        cp {bundle} /opt/fresh
        cp /run/wherry/ca.crt {bundle}
        echo '# added by the recipe' >>{bundle}
        """
    )
    assert made.status == 0, str(made)
    root = layer_of(command, tmp_path)
    fresh = (root / "opt/fresh").read_bytes()
    assert fresh.count(b"BEGIN CERTIFICATE") > 100
    assert (root / "opt/copied.pem").read_bytes() == fresh
    assert (root / bundle[1:]).read_bytes() == fresh + b"# added by the recipe\n"


def test_no_authority_of_the_machine_is_shown_where_the_settings_say_so(build: Callable[..., Result]) -> None:
    made = build("curl -sS -o /dev/null $U/deb/Packages", WHERRY_BUILD_AUTHORITIES="none")
    assert made.status != 0
    assert "certificate" in made.stderr
    assert build("test ! -e /run/wherry; env | grep -c CERT || true", WHERRY_BUILD_AUTHORITIES="none").status == 0


def test_without_a_network_nothing_of_it_is_shown(build: Callable[..., Result]) -> None:
    made = build("test ! -e /run/wherry\ntest -z $no_proxy$SSL_CERT_FILE\n! curl -sS $U", "--network", "none")
    assert made.status == 0, str(made)


def test_names_are_the_machine_s_for_the_command_and_the_image_s_for_good(
    build: Callable[..., Result], command: Wherry
) -> None:
    made = build(
        """
        (hostname; umask; echo $SOURCE_DATE_EPOCH) >/opt/name
        echo 1.2.3.4 x >>/etc/hosts
        rm /etc/resolv.conf
        """
    )
    assert made.status == 0, str(made)
    assert (
        command.ok("run", "made", "cat", "/opt/name")
        == f"build\n0022\n{os.environ.get('SOURCE_DATE_EPOCH', 315619200)}\n"
    )
    listed = command.ok("run", "made", "cat", "/etc/hosts")
    assert "1.2.3.4" not in listed
