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


RECIPES = {
    "copies": """
FROM tiny
COPY files /f/
COPY files/a files/b /two/
COPY files/a /renamed
COPY --chown=5:6 files/sub /owned
COPY --chown=5 files/a /owned-by-number
COPY --chmod=700 files/a /private
COPY files/links/to* /links/
COPY files/links /dangling-ones-stay
COPY files/sub/ /merged
COPY files/other/ /merged
WORKDIR /deep/er
COPY files/a .
COPY files/b ./named
""",
    "sources": """
FROM tiny
COPY files/sub/. /dot/
COPY files/sub/../a /cleaned
COPY ../../files/b /above
COPY files/[ab] /both/
COPY files/none* files/a /optional/
COPY files/none* /nothing/
COPY --chown=7 files/a /new/deep/er/
COPY --chmod=750 files/sub /moded
COPY files/sub /over
COPY files/other /over
COPY files/sub/deep /over/deep
COPY files/a /over/c
""",
    "links": """
FROM tiny
RUN mkdir -p /real/dir && ln -s real /by && ln -s dir /real/link
COPY files/a /by/link/a
COPY files/sub /by/link/
RUN ln -s /nowhere /dangling
WORKDIR /by/link/made
""",
    "archives": """
FROM tiny
ADD files/packed.tar.gz /unpacked
ADD files/packed.tar.gz files/a /both/
COPY files/packed.tar.gz /as-it-is
""",
    "owners": """
FROM tiny
RUN mkdir /d && touch /d/a /d/b && ln -s a /d/l && mkfifo /d/p
RUN chown 1:2 /d/a && chown -h 3:4 /d/l && chown 5:6 /d /d/p
RUN touch /s && chown 7:8 /s && chmod 6755 /s
RUN mkdir /g && chown 0:50 /g && chmod 2775 /g && touch /g/inherits && mkdir /g/sub
RUN cp -a /d /copy && mv /d/b /moved && ln /s /hard
RUN chown 9:9 /d/a && rm /copy/a && touch /copy/a
RUN mknod /null c 1 3 && mknod /blk b 7 9 && chown 0:6 /blk
RUN mkdir /t && chmod 1777 /t && umask 077 && touch /t/private
""",
    "removals": """
FROM tiny
RUN mkdir -p /a/b/c /x && echo 1 > /a/b/c/f && echo 2 > /a/g && echo 3 > /x/y
RUN rm -r /a/b && echo 4 > /a/b && rm /x/y && rmdir /x
RUN rm /a/b && mkdir /a/b && echo 5 > /a/b/new && mkdir /x
COPY files/sub /a/b
RUN rm -rf /a && mkdir /a
""",
    "users": """
FROM tiny
RUN mkdir -p /etc && echo 'me:x:100:200::/home/me:/bin/sh' >> /etc/passwd && echo 'us:x:300:me' >> /etc/group
RUN mkdir -p /home/me /pub && chown me:us /home/me && chmod 1777 /pub
USER me
WORKDIR /home/me/made
RUN touch mine && mkdir sub && touch /pub/f && id -u > who && id -g >> who && echo $HOME >> who
COPY files/a /home/me/from-root
COPY --chown=me:us files/a /home/me/mine-too
COPY --chown=me files/a /home/me/mine-alone
COPY --chown=100 files/a /home/me/by-number
COPY --chown=:us files/a /home/me/of-the-group
USER me:us
RUN touch with-group
USER 123:456
RUN touch /pub/number
USER root
RUN chown me /pub/number
""",
    "stages": """
FROM tiny AS one
RUN mkdir /o && touch /o/f && chown 11:12 /o/f && chmod 4711 /o/f && ln -s f /o/l && ln /o/f /o/h
FROM tiny AS two
COPY --from=one /o /copied
COPY --from=one /o/f /file
FROM two
COPY --from=one --chown=1:1 /o /owned/
COPY --from=0 /o/l /link
""",
    "configuration": """
FROM tiny
ARG A=1
ENV B=$A C="two words" PATH=/own:$PATH
LABEL one=1 "two"="2 3"
EXPOSE 80 81/udp 90-92
VOLUME /v ["/w"]
VOLUME ["/x y"]
USER nobody:1
WORKDIR /w
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=2 CMD echo ok
ENTRYPOINT echo hi
CMD ["a", "b c"]
ONBUILD RUN echo later
""",
    "entrypoint": """
FROM tiny AS base
CMD ["base"]
FROM base
ENTRYPOINT ["/bin/sh", "-c"]
""",
    "ignored": """
FROM tiny
COPY . /all
""",
}


def _context(folder: Path) -> Path:
    files = folder / "files"
    for name in ("sub/deep", "other"):
        (files / name).mkdir(parents=True)
    for name, content in {"a": "a", "b": "b", "sub/c": "c", "sub/deep/d": "d", "other/e": "e", "x.log": "l"}.items():
        (files / name).write_text(content)
    (files / "a").chmod(0o755)
    (files / "links").mkdir()
    (files / "links" / "to-a").symlink_to("../a")
    (files / "links" / "dangling").symlink_to("/etc/passwd")
    (folder / ".dockerignore").write_text("**/*.log\n.dockerignore\nDockerfile\n")
    with tarfile.open(files / "packed.tar.gz", "w:gz") as archive:
        for name, kind, mode, ids in (
            ("dir", tarfile.DIRTYPE, 0o2750, (1, 2)),
            ("dir/file", tarfile.REGTYPE, 0o4640, (3, 4)),
            ("dir/link", tarfile.SYMTYPE, 0o777, (5, 6)),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mode, (member.uid, member.gid), member.mtime = kind, mode, ids, 1_500_000_000
            member.linkname = "file" if kind == tarfile.SYMTYPE else ""
            archive.addfile(member)
    return folder


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, docker: Docker) -> Iterator[tuple[Wherry, Path]]:
    """The command with the image ``tiny``, which docker has under the same name; and a folder for contexts."""
    folder = tmp_path_factory.mktemp("compared")
    wherry = Wherry(folder / "wherry")
    wherry.ok("load", f"oci:{images.image('tiny')}:latest")
    wherry.ok("tag", json.loads(wherry.ok("images", "--format", "json").splitlines()[0])["ID"], "tiny")
    docker.take(images.image("tiny"), "tiny")
    yield wherry, folder


@pytest.mark.parametrize("name", RECIPES)
def test_root_and_buildkit_make_the_same(ready: tuple[Wherry, Path], docker: Docker, name: str) -> None:
    wherry, folder = ready
    context = _context(folder / name)
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
