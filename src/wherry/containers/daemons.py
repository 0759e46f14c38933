"""Images in the stores of Docker and Podman, asked for by their own programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.base.errors import HostLacks, NotFound, WherryError, reason
from wherry.base.outside import caller_environment

if TYPE_CHECKING:
    from wherry.containers.world import World
    from wherry.image import Source

__all__ = ["image_id", "load_into", "saved_by"]

_PROGRAMS = {"docker-daemon": "docker", "containers-storage": "podman"}


def image_id(source: Source) -> str:
    """What the other program knows the image by; raise :class:`NotFound` when it has none of that name."""
    found = _run(source, "image", "inspect", "--format", "{{.Id}}", source.place)
    return found.strip()


@contextmanager
def saved_by(world: World, source: Source) -> Iterator[str]:
    """An archive of the image, until the block ends."""
    work = world.store.new_work()
    try:
        form = ("--format", "oci-archive") if source.transport == "containers-storage" else ()
        _run(source, "save", *form, "-o", f"{work}/archive", source.place)
        yield f"{work}/archive"
    finally:
        world.store.discard(work)


def load_into(source: Source, path: str) -> None:
    """Give the other program an archive that has the image under its name."""
    _run(source, "load", "-i", path)


def _run(source: Source, *words: str) -> str:
    command = [_program(_PROGRAMS[source.transport]), *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=caller_environment(),
        )
    except OSError as error:
        raise HostLacks(f"'{command[0]}' cannot be started", why=reason(error)) from None
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
        missing = words[:2] == ("image", "inspect") and "no such" in done.stderr.lower()
        kind = NotFound if missing else WherryError
        raise kind(f"'{source}' cannot be had", why=f"{os.path.basename(command[0])}: {said}")
    return done.stdout


def _program(name: str) -> str:
    """The real program of that name: links by which Wherry serves under it are passed over."""
    for folder in caller_environment().get("PATH", "").split(":"):
        place = f"{folder}/{name}"
        if folder and os.access(place, os.X_OK) and os.path.basename(os.path.realpath(place)) != "wherry":
            return place
    raise HostLacks(
        f"there is no '{name}' here", why="its own program has to give its images out", hint="docker://NAME"
    )
