"""What a command of a build finds around it, and what of the machine's authorities it is shown."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from layers import Item, directory, file, stack, symlink, tar_of
from wherry.build.certificates import added, find_own, remembered_own, without_added
from wherry.build.surroundings import Shown, around
from wherry.image import Tree

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
REAL = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"


def pem(name: str) -> bytes:
    import base64

    body = base64.encodebytes(name.encode() * 30)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def tree(folder: Path, *items: Item) -> Tree:
    return Tree.of(stack([tar_of(items)], folder))


def put(root: Path, path: str, *names: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"".join(pem(name) for name in names))


def names_of(certificates: tuple[bytes, ...] | bytes) -> set[str]:
    import base64

    text = certificates if isinstance(certificates, bytes) else b"".join(certificates)
    bodies = [part.split(b"-----END")[0] for part in text.split(b"-----BEGIN CERTIFICATE-----")[1:]]
    return {base64.b64decode(body)[: len(base64.b64decode(body)) // 30].decode() for body in bodies}


def test_a_machine_s_own_authorities_are_those_that_came_not_with_its_distribution(tmp_path: Path) -> None:
    put(tmp_path, "/usr/share/ca-certificates/mozilla/one.crt", "one")
    put(tmp_path, "/usr/share/ca-certificates/mozilla/two.crt", "two")
    put(tmp_path, BUNDLE, "one", "two")
    assert find_own({}, str(tmp_path)) == ()
    put(tmp_path, BUNDLE, "one", "two", "company")
    put(tmp_path, "/usr/local/share/ca-certificates/site/x.crt", "site")
    put(tmp_path, "home/mine.pem", "mine", "two")
    found = find_own({"SSL_CERT_FILE": str(tmp_path / "home/mine.pem"), "PIP_CERT": "/nonexistent"}, str(tmp_path))
    assert names_of(found) == {"company", "site", "mine"}


def test_authorities_are_read_again_only_when_one_of_their_files_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, folder, given = str(tmp_path / "root"), str(tmp_path / "run"), tmp_path / "given.pem"
    put(tmp_path / "root", "/usr/share/ca-certificates/mozilla/one.crt", "one")
    put(tmp_path / "root", BUNDLE, "one", "company")

    def found(seconds: int = 10, **environ: str) -> set[str]:
        monkeypatch.setattr("wherry.build.certificates.time.time_ns", lambda: real() + seconds * 10**9)
        return names_of(remembered_own(environ, folder, root))

    real = time.time_ns
    assert found(0) == {"company"}
    assert not os.path.exists(f"{folder}/authorities")  # changed just now: it could be again
    assert found() == found() == {"company"}
    with monkeypatch.context() as context:
        context.setattr("wherry.build.certificates.find_own", None)
        assert found() == {"company"}
    put(tmp_path / "root", "/usr/local/share/ca-certificates/site/x.crt", "site")
    assert found() == {"company", "site"}
    put(tmp_path, "given.pem", "mine")
    assert found(SSL_CERT_FILE=str(given)) == {"company", "site", "mine"}
    put(tmp_path, "given.pem", "other")
    assert found(SSL_CERT_FILE=str(given)) == {"company", "site", "other"}
    put(tmp_path / "root", "/usr/share/ca-certificates/mozilla/two.crt", "company")
    assert found() == {"site"}
    Path(f"{folder}/authorities").write_bytes(b"\x93junk")
    assert found() == {"site"}


def test_where_nobody_knows_what_the_distribution_brought_only_what_was_put_there_counts(tmp_path: Path) -> None:
    put(tmp_path, BUNDLE, "one", "company")
    put(tmp_path, "/etc/pki/ca-trust/source/anchors/x.pem", "company")
    assert names_of(find_own({}, str(tmp_path))) == {"company"}


def test_files_that_hold_no_certificate_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----")
    (tmp_path / "folder").mkdir()
    for name in ("junk", "folder", "missing"):
        assert find_own({"SSL_CERT_FILE": str(tmp_path / name)}, str(tmp_path)) == ()


def test_files_made_to_take_long_take_no_time(tmp_path: Path) -> None:
    (tmp_path / "blank").write_bytes(b"-----BEGIN CERTIFICATE-----" + b" " * (15 << 20))
    (tmp_path / "many").write_bytes(b"-----BEGIN CERTIFICATE-----" * 500_000)
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for name in ("blank", "many", "pipe"):
        assert find_own({"SSL_CERT_FILE": str(tmp_path / name)}, str(tmp_path)) == ()
    assert time.monotonic() - began < 5


def test_what_is_added_to_a_set_can_be_taken_out_again() -> None:
    for image in (b"", pem("one"), b"# no line end"):
        shown = added(image, (pem("company"),))
        assert shown.startswith(image)
        assert without_added(shown) == image
        assert without_added(shown + pem("later")) == image + pem("later")
    assert added(pem("one"), (pem("one"),)) == pem("one")
    assert without_added(pem("one")) == pem("one")


def test_a_step_finds_the_set_where_programs_look(tmp_path: Path) -> None:
    below = tree(
        tmp_path,
        directory("etc/pki/tls/certs"),
        symlink("etc/pki/tls/certs/ca-bundle.crt", REAL),
        file(REAL[1:], pem("one"), 0o444),
        file("usr/bin/apt-get", b""),
    )
    found = around({}, (pem("company"),), below, epoch=5, network="default")
    files = dict(found.files)
    assert sorted(files) == [REAL, "/run/wherry/apt.conf", "/run/wherry/ca.crt", "/run/wherry/wgetrc"]
    assert names_of(files["/run/wherry/ca.crt"]) == names_of(files[REAL]) == {"one", "company"}
    env = dict(text.split("=", 1) for text in found.env)
    assert env["PIP_CERT"] == env["SSL_CERT_FILE"] == env["CURL_CA_BUNDLE"] == "/run/wherry/ca.crt"
    assert env["APT_CONFIG"] == "/run/wherry/apt.conf"
    Shown(lambda: str(tmp_path / "shown")).folder(found.files, below)
    assert (tmp_path / "shown" / REAL[1:]).stat().st_mode & 0o7777 == 0o444
    assert (tmp_path / "shown/etc/pki").stat().st_mtime == below.stat("/etc/pki").mtime_ns / 1e9  # type: ignore[union-attr]


def test_a_machine_without_authorities_of_its_own_shows_nothing(tmp_path: Path) -> None:
    found = around({}, (), tree(tmp_path, file(BUNDLE[1:], pem("one"))), epoch=5, network="host")
    assert found.files == ()
    same = ("HOSTNAME=build", "SOURCE_DATE_EPOCH=5", "PYTHONHASHSEED=0", "PERL_HASH_SEED=0", "FORCE_SOURCE_DATE=1")
    assert found.env == same


def test_proxies_come_in_both_cases_and_not_without_a_net(tmp_path: Path) -> None:
    below = tree(tmp_path, directory("etc"))
    given = {"HTTPS_PROXY": "http://p:1", "no_proxy": "localhost", "http_proxy": ""}
    env = around(given, (), below, epoch=5, network="default").env
    assert {text for text in env if "proxy" in text.lower()} == {
        "https_proxy=http://p:1",
        "HTTPS_PROXY=http://p:1",
        "no_proxy=localhost",
        "NO_PROXY=localhost",
    }
    bare = around(given, (pem("company"),), below, epoch=5, network="none")
    assert bare.files == ()
    assert not [text for text in bare.env if "proxy" in text.lower() or "CERT" in text]


def test_wget_s_own_settings_are_not_hidden(tmp_path: Path) -> None:
    below = tree(tmp_path, file("root/.wgetrc", b"tries = 7\n"))
    env = around({}, (pem("company"),), below, epoch=5, network="host").env
    assert not [text for text in env if text.startswith("WGETRC")]


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o700])
def test_directories_that_are_shown_again_look_as_the_image_has_them(tmp_path: Path, mode: int) -> None:
    below = tree(tmp_path / "image", directory("run", mode, mtime=77))
    Shown(lambda: str(tmp_path / "shown")).folder((("/run/wherry/ca.crt", b"x"),), below)
    found = os.stat(tmp_path / "shown/run")
    assert (found.st_mode & 0o7777, found.st_mtime) == (below.stat("/run").mode & 0o1777, 77)  # type: ignore[union-attr]


def test_steps_that_are_shown_the_same_share_it(tmp_path: Path) -> None:
    image = tree(tmp_path / "image", directory("run", 0o755, mtime=77), file("etc/x", b"", 0o600))
    other = tree(tmp_path / "other", directory("run", 0o755, mtime=78))
    shown = Shown(lambda: str(Path(tempfile.mkdtemp(dir=tmp_path))))
    folder = shown.folder((("/run/a", b"1"),), image)
    assert shown.folder((("/run/a", b"1"),), image) == folder
    others = [
        shown.folder((("/run/a", b"2"),), image),
        shown.folder((("/run/a", b"1"),), other),
        shown.folder((("/run/a", b"1"), ("/etc/x", b"1")), image),
    ]
    assert len({folder, *others}) == 4
    assert os.stat(f"{others[2]}/etc/x").st_mode & 0o777 == 0o600
