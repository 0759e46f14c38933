"""``load`` and ``save``: images out of files and into them; ``-`` and nothing stand for the standard streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

__all__ = ["load", "save"]

_CHUNK = 1 << 20


def load(given: Given) -> int:
    """Take the image in; print its name as ``docker load`` does, with ``-q`` the digest."""
    option, words, quiet = given.text("input"), given.words, given.flag("quiet")
    if option is not None and words:
        raise UsageError("two files are named", why=f"'{option}' and '{words[0]}'", hint="leave -i out")
    path = option if option is not None else words[0] if words else "-"
    if given.flag("dry_run"):
        with _file(path, None) as real:
            return foresee(containers.plan_load(real), given.text("format"))
    world = containers.World()
    with _file(path, world) as real, shown(quiet) as progress:
        image = containers.load(real, progress=progress, world=world)
    print(image.digest if quiet else f"loaded: {image.reference or image.digest}")
    return 0


def save(given: Given) -> int:
    """Write the image as one archive that Docker and Podman load too."""
    path = given.text("output") or "-"
    if given.flag("dry_run"):
        return foresee(containers.plan_save(given.word, path), given.text("format"))
    if path == "-" and sys.stdout.isatty():
        raise UsageError("an archive would be written to the terminal", hint=f"wherry save -o FILE {given.word}")
    if path == "-" and sys.__stdout__ is None:
        raise UsageError("there is nowhere to write the archive", why="standard output is closed", hint="-o FILE")
    with shown(given.flag("quiet")) as progress:
        containers.save(given.word, "/dev/stdout" if path == "-" else path, progress=progress)
    return 0


@contextmanager
def _file(path: str, world: containers.World | None) -> Iterator[str]:
    """The archive as a file: it is read back and forth, so standard input is kept in the store's own working folder
    first or, without a ``world`` that may be changed, in the temporary one."""
    if path != "-":
        yield path
        return
    if sys.stdin.isatty():
        raise UsageError("no file is named", why="standard input is a terminal", hint="wherry load -i FILE")
    with _folder(world) as folder:
        with open(f"{folder}/archive", "wb") as file:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                file.write(chunk)
        containers.require_image_file(f"{folder}/archive", "standard input")
        yield f"{folder}/archive"


@contextmanager
def _folder(world: containers.World | None) -> Iterator[str]:
    if world is None:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="wherry-") as temporary:
            yield temporary
        return
    work = world.store.new_work()
    try:
        yield work
    finally:
        world.store.discard(work)
