"""``load`` and ``save``: images out of files and into them; ``-`` and nothing stand for the standard streams."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound, UsageError
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.image import Image

__all__ = ["load", "save"]

_CHUNK = 1 << 20


def load(given: Given) -> int:
    """Take the image in; print its name as ``docker load`` does, with ``-q`` the digest."""
    from wherry.containers import World

    option, words, quiet = given.text("input"), given.words, given.flag("quiet")
    if option is not None and words:
        raise UsageError("two files are named", why=f"'{option}' and '{words[0]}'", hint="leave -i out")
    path = option if option is not None else words[0] if words else "-"
    world = World()
    image = _load_stream(world, quiet=quiet) if path == "-" else _load(world, path, quiet=quiet)
    print(image.digest if quiet else f"loaded: {image.reference or image.digest}")
    return 0


def save(given: Given) -> int:
    """Write the image as one archive that Docker and Podman load too."""
    from wherry.cli.naming import held_image
    from wherry.containers import World
    from wherry.image import save_file

    path = given.text("output") or "-"
    if path == "-" and sys.stdout.isatty():
        raise UsageError("an archive would be written to the terminal", hint=f"wherry save -o FILE {given.word}")
    if path == "-" and sys.__stdout__ is None:
        raise UsageError("there is nowhere to write the archive", why="standard output is closed", hint="-o FILE")
    world = World()
    image = held_image(world, given.word)
    with shown(given.flag("quiet")) as progress:
        save_file(world.store, image, "/dev/stdout" if path == "-" else path, progress=progress)
    return 0


def _load(world: World, path: str, *, quiet: bool, shown_as: str = "") -> Image:
    from wherry.image import is_image_file, load_file

    if not os.path.exists(path):
        raise NotFound(f"there is no file '{path}'")
    if not is_image_file(path):
        raise UsageError(
            f"'{shown_as or path}' is not an image",
            why="it is neither an OCI layout nor an archive of one nor a 'docker save' archive",
        )
    with shown(quiet) as progress:
        return load_file(world.store, path, progress=progress)


def _load_stream(world: World, *, quiet: bool) -> Image:
    """Archives are read back and forth, so standard input is kept in the store's own working folder first."""
    if sys.stdin.isatty():
        raise UsageError("no file is named", why="standard input is a terminal", hint="wherry load -i FILE")
    work = world.store.new_work()
    try:
        path = f"{work}/archive"
        with open(path, "wb") as file:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                file.write(chunk)
        return _load(world, path, quiet=quiet, shown_as="standard input")
    finally:
        world.store.discard(work)
