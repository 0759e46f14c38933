"""What two trees of the same recipe have to agree in: one made here without root, one by root and docker's BuildKit."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from docker_daemon import Docker

__all__ = ["NOTHING", "Seen", "built_by_root", "entries"]

_CLIENT = "/usr/bin/docker"
"""Debian's client has BuildKit's part in it; newer ones need a further program."""

_DOCKERS_OWN = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab"} | {
    *("etc/resolv.conf", "proc", "sys", "etc", "dev/fd", "dev/stdin", "dev/stdout", "dev/stderr", "dev/core"),
}

NOTHING = r"(?!)"


class Seen(NamedTuple):
    """An entry, but for its times."""

    kind: bytes
    mode: int
    uid: int
    gid: int
    target: str
    device: tuple[int, int]
    content: str
    capability: str


def built_by_root(docker: Docker, context: Path, name: str) -> str:
    """The name of the image that BuildKit makes of the context's Dockerfile."""
    if not os.access(_CLIENT, os.X_OK):
        pytest.skip("Debian's docker client, which has BuildKit's part in it, is not installed")
    words = [_CLIENT, "--config", str(docker.folder), "--host", docker.address, "build", "--network", "host"]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    done = subprocess.run(
        [*words, "-t", name, str(context)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return name


def entries(archive: tarfile.TarFile, left_out: str = NOTHING, differs: str = NOTHING) -> dict[str, Seen]:
    """What an exported tree has, by path, without what docker adds.

    Paths that match ``left_out`` are left out; of those that match ``differs`` (expressions, of whole paths) contents
    are not compared.
    """
    found: dict[str, Seen] = {}
    for member in archive:
        name = member.name.removeprefix("./").rstrip("/")
        if name in ("", ".") or name in _DOCKERS_OWN or re.fullmatch(left_out, name):
            continue
        if member.islnk():  # which of several names comes first is the archiver's choice
            found[name] = found[member.linkname.removeprefix("./").lstrip("/")]
            continue
        stream = None if re.fullmatch(differs, name) or not member.isreg() else archive.extractfile(member)
        found[name] = Seen(
            kind=member.type,
            mode=0 if member.issym() else member.mode & 0o7777,
            uid=member.uid,
            gid=member.gid,
            target=member.linkname if member.issym() else "",
            device=(member.devmajor, member.devminor) if member.isdev() else (0, 0),
            content=hashlib.sha256(stream.read()).hexdigest() if stream is not None else "",
            capability=member.pax_headers.get("SCHILY.xattr.security.capability", ""),
        )
    return found
