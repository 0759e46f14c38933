"""``wherry commit``: images of containers, also under the faces of docker and podman."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import images
from docker_daemon import Docker
from registry_server import RegistryServer
from waiting import until
from wherry_command import Wherry


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    return Wherry(tmp_path)


def _image(wherry: Wherry, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(wherry.ok("inspect", name))
    return found[0]


def _layer(wherry: Wherry, name: str, folder: Path) -> dict[str, tarfile.TarInfo]:
    """The entries of an image's highest layer, as it is saved."""
    wherry.ok("save", "--format", "oci", "-o", str(folder), name)
    index = json.loads((folder / "index.json").read_text())
    blob = lambda digest: folder / "blobs/sha256" / digest.removeprefix("sha256:")  # noqa: E731
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    with tarfile.open(blob(manifest["layers"][-1]["digest"])) as archive:
        return {member.name: member for member in archive}


def test_what_diff_shows_becomes_an_image(wherry: Wherry, small_image: str, tmp_path: Path) -> None:
    script = "echo x >>/etc/gshadow; rm /etc/issue; mkdir -p /opt/lab; echo 1 >/opt/lab/a; ln /opt/lab/a /opt/lab/b"
    wherry.ok("run", "--name", "lab", "--user", "root", "-e", "A=1", "-w", "/opt", small_image, "sh", "-c", script)
    before = wherry.ok("diff", "lab")
    options = ("-m", "with a lab", "-a", "me", "-c", "LABEL of=tests", "-c", 'CMD ["cat", "/opt/lab/b"]')
    digest = wherry.ok("commit", *options, "lab", "team/lab:2").strip()
    image = _image(wherry, "team/lab:2")
    assert image["Id"] == digest
    assert image["Author"] == "me"
    config = image["Config"]
    assert (config["Cmd"], config["WorkingDir"], config["User"]) == (["cat", "/opt/lab/b"], "/opt", "root")
    assert "A=1" in config["Env"] and config["Labels"] == {"of": "tests"}
    assert wherry.ok("run", "--rm", "team/lab:2") == "1\n"
    assert "with a lab" in wherry.ok("history", "team/lab:2")
    assert wherry.ok("diff", "lab") == before
    found = _layer(wherry, "team/lab:2", tmp_path / "layout")
    assert list(found) == ["etc", "etc/gshadow", "etc/.wh.issue", "opt", "opt/lab", "opt/lab/a", "opt/lab/b"]
    assert (found["etc/gshadow"].gid, oct(found["etc/gshadow"].mode)) == (42, "0o640")
    assert found["opt/lab/b"].linkname == "opt/lab/a"
    shown = set(wherry.ok("diff", small_image, "team/lab:2").splitlines())
    assert shown == {"C /etc/gshadow", "D /etc/issue", "A /opt/lab", "A /opt/lab/a", "A /opt/lab/b"}


def test_the_same_changes_give_the_same_digest(wherry: Wherry, tiny: str) -> None:
    dated = Wherry(wherry.folder, {"SOURCE_DATE_EPOCH": "1700000000"})
    for name in ("one", "two"):
        wherry.ok("run", "--name", name, tiny, "sh", "-c", "echo 1 >/data; mkdir /new; touch /new/x")
    digests = {dated.ok("commit", "-q", name) for name in ("one", "two", "one")}
    assert len(digests) == 1
    assert _image(dated, digests.pop().strip())["Created"] == "2023-11-14T22:13:20Z"


def test_a_container_that_changed_nothing_becomes_an_image_too(wherry: Wherry, tiny: str) -> None:
    wherry.ok("run", "--name", "still", tiny, "true")
    wherry.ok("commit", "-c", "ENV B=2", "still", "still:1")
    assert len(_image(wherry, "still:1")["RootFS"]["Layers"]) == len(_image(wherry, tiny)["RootFS"]["Layers"])
    assert wherry.ok("run", "--rm", "still:1", "sh", "-c", "echo $B") == "2\n"


def test_a_squashed_image_holds_nothing_that_was_removed(wherry: Wherry, layered: str, tmp_path: Path) -> None:
    wherry.ok("run", "--name", "lab", "--user", "root", layered, "sh", "-c", "rm -r /data; echo 1 >/new")
    wherry.ok("commit", "lab", "plain:1")
    wherry.ok("commit", "--squash", "lab", "lab:1")
    found = _layer(wherry, "lab:1", tmp_path / "layout")
    assert len(_image(wherry, "lab:1")["RootFS"]["Layers"]) == 1
    assert [name for name in found if name.startswith("data") or ".wh." in name] == []
    assert found["owned"].uid == 1000 and found["bin/set-id"].mode == 0o4755
    assert found["dev/null-of-the-image"].ischr()
    assert wherry.ok("diff", "plain:1", "lab:1") == ""
    steps = [json.loads(line) for line in wherry.ok("history", "--format", "json", "lab:1").splitlines()]
    assert [step["Size"] for step in steps][1:] == ["0B"] * (len(steps) - 1)


def test_a_running_container_stands_still_meanwhile_and_goes_on(wherry: Wherry, tiny: str) -> None:
    counting = "while :; do echo 1 >>/a; echo 1 >>/b; done"
    wherry.ok("run", "-d", "--name", "lab", tiny, "sh", "-c", counting)
    try:
        until(lambda: wherry("exec", "lab", "test", "-s", "/b").status == 0)
        wherry.ok("commit", "lab", "lab:1")
        one, two = (int(wherry.ok("run", "--rm", "lab:1", "sh", "-c", f"wc -l <{name}")) for name in ("/a", "/b"))
        assert one - two in (0, 1)
        now = int(wherry.ok("exec", "lab", "sh", "-c", "wc -l </a"))
        until(lambda: int(wherry.ok("exec", "lab", "sh", "-c", "wc -l </a")) > now)
    finally:
        wherry("rm", "-f", "lab")


def test_what_cannot_be_committed_is_said(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    assert "there is no container 'lab'" in wherry("commit", "lab").stderr
    wherry.ok("run", "--name", "lab", tiny, "sh", "-c", "echo 1 >/opt-new")
    wrong = wherry("commit", "-c", "RUN make", "lab", "lab:1")
    assert wrong.status == 125 and "'RUN make' is not an instruction" in wrong.stderr
    assert "SOURCE_DATE_EPOCH" in Wherry(wherry.folder, {"SOURCE_DATE_EPOCH": "now"})("commit", "lab").stderr
    assert wherry.ok("commit", "--dry-run", "lab", "lab:1").split()[-1].endswith("lab:1")
    assert "lab:1" not in wherry.ok("images")
    wherry.ok("run", "--name", "odd", tiny, "touch", "/.wh.x")
    assert "'.wh.x' cannot be in a layer" in wherry("commit", "odd").stderr
    assert os.listdir(wherry.folder / "store/tmp") == []


def test_a_range_of_ids_gives_owners(wherry: Wherry, small_image: str, tmp_path: Path) -> None:
    script = "echo 1 >/data; chown 1000:42 /data; chmod 4750 /data; echo x >>/etc/gshadow; touch /mine"
    wherry.ok("run", "--name", "lab", "--user", "root", "--userns", "range", small_image, "sh", "-c", script)
    wherry.ok("commit", "lab", "lab:1")
    found = _layer(wherry, "lab:1", tmp_path / "layout")
    assert (found["data"].uid, found["data"].gid, oct(found["data"].mode)) == (1000, 42, "0o4750")
    assert (found["mine"].uid, found["mine"].gid) == (0, 0)
    assert found["etc/gshadow"].gid == 42
    assert wherry.ok("run", "--rm", "lab:1", "cat", "/data") == "1\n"


def test_without_other_ids_the_owners_are_those_that_the_container_saw(
    wherry: Wherry, small_image: str, tmp_path: Path
) -> None:
    look = 'stat -c "%u %g %a %n" /data /etc/gshadow /link'
    script = (
        "echo 1 >/data; chown 1000:42 /data; chmod 4750 /data; ln -s data /link; chown -h 33:33 /link; "
        f"mknod /null c 1 3; echo x >>/etc/gshadow; {look}"
    )
    seen = wherry.ok("run", "--fakeroot", "--name", "lab", small_image, "sh", "-c", script)
    wherry.ok("commit", "lab", "lab:1")
    found = _layer(wherry, "lab:1", tmp_path / "layout")
    assert {name: (each.uid, each.gid, oct(each.mode)) for name, each in found.items()} == {
        "data": (1000, 42, "0o4750"),
        "etc": (0, 0, "0o755"),
        "etc/gshadow": (0, 42, "0o640"),
        "link": (33, 33, "0o777"),
        "null": (0, 0, "0o644"),
    }
    assert (found["null"].devmajor, found["null"].devminor) == (1, 3) and found["null"].ischr()
    assert wherry.ok("run", "--fakeroot", "--rm", "lab:1", "sh", "-c", look) == seen


def test_a_made_image_goes_everywhere(wherry: Wherry, tiny: str, registry: RegistryServer, tmp_path: Path) -> None:
    """Pushed twice it has one digest; skopeo reads it from there and from a file; another store runs it."""
    wherry.ok("run", "--name", "lab", tiny, "sh", "-c", "echo 1 >/data")
    wherry.ok("commit", "lab", f"{registry.address}/made:1")
    digest = _image(wherry, f"{registry.address}/made:1")["Id"]
    pushed = [wherry.ok("push", "-q", f"{registry.address}/made:1") for _ in range(2)]
    assert pushed[0] == pushed[1] and digest in pushed[0]
    smaller = [wherry.ok("push", "-q", "--compression", "gzip", f"{registry.address}/made:1") for _ in range(2)]
    assert smaller[0] == smaller[1] != pushed[0]
    copy = ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false"]
    subprocess.run([*copy, f"docker://{registry.address}/made:1", f"dir:{tmp_path}/dir"], check=True)
    for form in ("gzip", "zstd"):
        layout = f"{tmp_path}/layout-{form}"
        wherry.ok("save", "--format", "oci", "--compression", form, "-o", layout, f"{registry.address}/made:1")
        subprocess.run([*copy, f"oci:{layout}", f"dir:{tmp_path}/dir-{form}"], check=True)
        manifest = json.loads(Path(f"{tmp_path}/dir-{form}/manifest.json").read_text())
        assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]} == {form}
        assert wherry.ok("run", "--rm", layout + "/", "cat", "/data") == "1\n"
    wherry.ok("save", "-o", f"{tmp_path}/made.tar", "--compression", "gzip", f"{registry.address}/made:1")
    subprocess.run([*copy, f"docker-archive:{tmp_path}/made.tar", f"dir:{tmp_path}/dir2"], check=True)
    wherry.ok("pack", f"{registry.address}/made:1", f"{tmp_path}/made.sif")
    assert wherry.ok("run", "--rm", f"{tmp_path}/made.sif", "cat", "/data") == "1\n"
    other = Wherry(tmp_path / "other")
    assert other.ok("run", "--rm", f"{registry.address}/made:1", "cat", "/data") == "1\n"


@pytest.mark.parametrize("face", ["docker", "podman"])
def test_it_is_docker_commit(wherry: Wherry, tiny: str, face: str) -> None:
    shim = wherry.named(face)
    shim.ok("run", "--name", "lab", tiny, "sh", "-c", "echo 1 >/data")
    told = shim.ok("commit", "--pause=false", "-m", "text", "--change", "ENV A=1", "lab", "team/lab:3").strip()
    assert shim.ok("inspect", "-f", "{{.Id}}", "team/lab:3").strip() == told
    assert shim.ok("run", "--rm", "team/lab:3", "sh", "-c", "cat /data; echo $A") == "1\n1\n"


def test_docker_loads_what_was_saved_compressed(wherry: Wherry, tiny: str, docker: Docker, tmp_path: Path) -> None:
    wherry.ok("run", "--name", "lab", tiny, "sh", "-c", "echo 1 >/data")
    wherry.ok("commit", "lab", "saved-compressed:1")
    wherry.ok("save", "--compression", "gzip", "-o", f"{tmp_path}/made.tar", "saved-compressed:1")
    docker.load(tmp_path / "made.tar")
    assert docker("run", "--rm", "--network", "none", "saved-compressed:1", "cat", "/data") == "1\n"


def test_it_is_the_layer_that_docker_makes(
    wherry: Wherry, docker: Docker, pushed: Callable[..., str], tmp_path: Path
) -> None:
    """The same commands in both: the same entries, kinds, modes, owners, links."""
    image = pushed("tiny")
    script = (
        "cd /; echo 1 >new; chmod 640 new; ln new again; ln -s new link; rm etc/group; rm -r var; mkdir var; "
        "echo 2 >var/x; echo x >>etc/passwd; mkfifo pipe; mkdir -m 1777 open; touch tmp/gone; rm tmp/gone"
    )
    wherry.ok("run", "--name", "lab", "--user", "root", image, "sh", "-c", script)
    wherry.ok("commit", "lab", "lab:1")
    ours = _layer(wherry, "lab:1", tmp_path / "ours")
    theirs = _dockers_layer(docker, script, tmp_path / "theirs.tar")

    def shown(each: tarfile.TarInfo) -> tuple[object, ...]:
        return (each.type, "" if ".wh." in each.name else oct(each.mode & 0o7777), each.uid, each.gid, each.linkname)

    assert {name: shown(each) for name, each in ours.items()} == {
        name: shown(each) for name, each in theirs.items() if name not in _DOCKERS_OWN
    }


_DOCKERS_OWN = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "proc", "sys", "tmp"}
_DOCKERS_OWN |= {"etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
"""What docker puts into each container; and a directory of which only the time changed, which it names."""


def _dockers_layer(docker: Docker, script: str, archive: Path) -> dict[str, tarfile.TarInfo]:
    docker.take(images.image("tiny"), "tiny")
    try:
        docker("run", "--network", "none", "--name", "committed", "tiny", "sh", "-c", script)
        docker("commit", "committed", "committed:1")
        docker("save", "--output", str(archive), "committed:1")
    finally:
        docker("rm", "--force", "committed")
    with tarfile.open(archive) as saved:
        listed = saved.extractfile("manifest.json")
        assert listed is not None
        layer = saved.extractfile(json.load(listed)[0]["Layers"][-1])
        assert layer is not None
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as inner:
            return {member.name.rstrip("/"): member for member in inner}
