"""The same recipe built here without root and, by root, by docker's BuildKit: the same configuration, the same tree."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import images
from build_recipes import RECIPES, context_in
from docker_daemon import Docker
from wherry_command import Wherry

_CLIENT = "/usr/bin/docker"
"""Debian's client has BuildKit's part in it; newer ones need a further program."""

_DOCKERS_OWN = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab"} | {
    *("etc/resolv.conf", "proc", "sys", "etc", "dev/fd", "dev/stdin", "dev/stdout", "dev/stderr", "dev/core"),
}


class Seen(NamedTuple):
    """What two trees have to agree in."""

    kind: bytes
    mode: int
    uid: int
    gid: int
    target: str
    device: tuple[int, int]
    content: str
    capability: str


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, docker: Docker) -> Iterator[tuple[Wherry, Path]]:
    """The command with the image ``tiny``, which docker has under the same name; and a folder for contexts."""
    folder = tmp_path_factory.mktemp("compared")
    wherry = Wherry(folder / "wherry")
    wherry.ok("load", f"oci:{images.image('tiny')}:latest")
    wherry.ok("tag", json.loads(wherry.ok("images", "--format", "json").splitlines()[0])["ID"], "tiny")
    docker.take(images.image("tiny"), "tiny")
    wherry.ok("tag", wherry.ok("load", "-q", "-i", str(images.image("small"))).split()[-1], "small")
    docker.take(images.image("small"), "small")
    yield wherry, folder


@pytest.mark.parametrize("name", RECIPES)
def test_root_and_buildkit_make_the_same(ready: tuple[Wherry, Path], docker: Docker, name: str) -> None:
    wherry, folder = ready
    context = context_in(folder / name)
    (context / "Dockerfile").write_text(RECIPES[name])
    result = wherry("build", "--progress", "plain", "-t", f"made-{name}", str(context))
    assert result.status == 0, str(result)
    theirs = _buildkit(docker, context, f"made-{name}")
    assert _config(wherry, f"made-{name}") == _plain(json.loads(docker("inspect", theirs))[0]["Config"])
    path = folder / f"{name}.tar"
    wherry.ok("export", "-o", str(path), f"made-{name}")
    with tarfile.open(path) as archive, docker.exported(theirs) as other:
        ours, expected = _tree(archive), _tree(other)
    assert sorted(ours) == sorted(expected)
    different = {path: (ours[path], expected[path]) for path in ours if ours[path] != expected[path]}
    assert different == {}


def _buildkit(docker: Docker, context: Path, name: str) -> str:
    if not os.access(_CLIENT, os.X_OK):
        pytest.skip("Debian's docker client, which has BuildKit's part in it, is not installed")
    words = [_CLIENT, "--config", str(docker.folder), "--host", docker.address, "build", "--network", "host"]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    done = subprocess.run(
        [*words, "-t", name, str(context)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return name


def _config(wherry: Wherry, name: str) -> dict[str, Any]:
    found = json.loads(wherry.named("docker").ok("inspect", name))
    return _plain(found[0]["Config"])


_IGNORED = ("Image", "Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin")


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """What recipes say; empty is not said."""
    left_out = (*_IGNORED, "StdinOnce", "ArgsEscaped")
    return {name: value for name, value in config.items() if value and name not in left_out}


def _tree(archive: tarfile.TarFile) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    for member in archive:
        name = member.name.removeprefix("./").rstrip("/")
        if name in ("", ".") or name in _DOCKERS_OWN:
            continue
        if member.islnk():  # which of several names comes first is the archiver's choice
            found[name] = found[member.linkname.removeprefix("./").lstrip("/")]
            continue
        stream = archive.extractfile(member) if member.isreg() else None
        content = hashlib.sha256(stream.read()).hexdigest() if stream is not None else ""
        device = (member.devmajor, member.devminor) if member.isdev() else (0, 0)
        found[name] = Seen(
            kind=member.type,
            mode=0 if member.issym() else member.mode & 0o7777,
            uid=member.uid,
            gid=member.gid,
            target=member.linkname if member.issym() else "",
            device=device,
            content=content,
            capability=member.pax_headers.get("SCHILY.xattr.security.capability", ""),
        )
    return found
