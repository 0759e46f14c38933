"""Docker and Podman: their own programs say which images there are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks, NotFound, WherryError, reason
from wherry.base.outside import caller_environment
from wherry.containers.theirs.held import Theirs
from wherry.host import find_in_path

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["images_of", "save_to"]

_SECONDS = 60


class _Inspected(msgspec.Struct, rename="pascal"):
    id: str
    size: int = 0
    repo_tags: list[str] | None = None


def images_of(program: str, path: str, world: World) -> Iterator[Theirs]:
    """All images that are no other's intermediate step. Raises :class:`HostLacks` where the program is missing."""
    if path:
        raise NotFound(f"{program}'s images are not read from '{path}'", why=f"'{program}' itself gives them out")
    ids = list(dict.fromkeys(_run(program, "image", "ls", "-q", "--no-trunc", seconds=_SECONDS).split()))
    if not ids:
        return
    for item in msgspec.json.decode(_run(program, "image", "inspect", *ids), type=list[_Inspected]):
        digest = item.id if item.id.startswith("sha256:") else f"sha256:{item.id}"
        names = tuple(name for name in item.repo_tags or () if name != "<none>:<none>")
        yield Theirs(
            program=program,
            name=names[0] if names else digest[7:19],
            kind="program",
            place=names[0] if names else item.id,
            references=names,
            size=item.size,
            config=digest,
        )


def save_to(program: str, place: str, path: str) -> None:
    """Let the program write an image as an archive; raises as :func:`images_of`."""
    _run(program, "save", "-o", path, place)


def _run(program: str, *words: str, seconds: int | None = None) -> str:
    command = find_in_path(program)
    if not command:
        raise HostLacks(f"there is no '{program}' here", why="its own program has to give its images out")
    try:
        done = subprocess.run(
            [command, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=caller_environment(),
        )
    except subprocess.TimeoutExpired:
        raise WherryError(f"'{command}' does not answer", why=f"not within {seconds} seconds") from None
    except OSError as error:
        raise HostLacks(f"'{command}' cannot be started", why=reason(error)) from None
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
        raise WherryError(f"'{command} {words[0]}' failed", why=said)
    return done.stdout
