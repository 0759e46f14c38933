"""``load``, ``save``, ``import``: images out of files and into them; ``-`` and nothing are the standard streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

__all__ = ["file_of", "import_", "load", "save"]

_CHUNK = 1 << 20
_STDIN = "standard input"
_PACKED = ("sif", "squashfs")
"""Formats of ``save`` that ``pack`` writes."""


def load(given: Given) -> int:
    """Take the images in; print a name for each as ``docker load`` does, with ``-q`` the digests."""
    option, words, quiet = given.text("input"), given.words, given.flag("quiet")
    if option is not None and words:
        raise UsageError("two files are named", why=f"'{option}' and '{words[0]}'", hint="leave -i out")
    text = option if option is not None else words[0] if words else "-"
    checksum, platform = given.text("checksum") or "", given.text("platform")
    if given.flag("dry_run"):
        with file_of(text, None) as real:
            called = _STDIN if text == "-" else ""
            return foresee(containers.plan_load(real, shown=called), given.text("format"))
    world = containers.World()
    with file_of(text, world) as real, shown(quiet) as progress:
        if text == "-" and not checksum:
            loaded = containers.load_file_at(real, _STDIN, platform=platform, progress=progress, world=world)
            images = tuple(each.image for each in loaded)
        else:
            images = containers.load(real, checksum=checksum, platform=platform, progress=progress, world=world)
    for image in images:
        print(image.digest if quiet else f"loaded: {image.reference or image.digest}")
    return 0


def save(given: Given) -> int:
    """Write the images as one archive that Docker and Podman load too, or in another form."""
    from wherry.image import FORMATS

    path, form = given.text("output") or "-", given.text("format") or FORMATS[0]
    if given.flag("dry_run"):
        chosen, way = (form, None) if form in FORMATS else (FORMATS[0], form)
        return foresee(containers.plan_save(given.words, path, chosen), way)
    if form in _PACKED:
        return _pack(given, path, form)
    if form not in FORMATS:
        raise UsageError(f"'--format {form}' is not known", hint=", ".join((*FORMATS, *_PACKED)))
    if path == "-" and form in ("oci", "dir"):
        raise UsageError(f"'{form}' is a folder", why="it does not fit into standard output", hint="-o FOLDER")
    if path == "-" and sys.stdout.isatty():
        raise UsageError("an archive would be written to the terminal", hint=f"wherry save -o FILE {given.word}")
    if path == "-" and sys.__stdout__ is None:
        raise UsageError("there is nowhere to write the archive", why="standard output is closed", hint="-o FILE")
    with shown(given.flag("quiet")) as progress:
        place, compression = "/dev/stdout" if path == "-" else path, given.text("compression") or ""
        containers.save(given.words, place, form, compression=compression, progress=progress)
    return 0


def _pack(given: Given, path: str, form: str) -> int:
    """One image as a file that runs where it lies."""
    if path == "-" or len(given.words) > 1:
        why = "several are named" if len(given.words) > 1 else "it does not go to standard output"
        raise UsageError(f"'{form}' is one file of one image", why=why, hint=f"wherry pack {given.word} FILE")
    if given.text("compression"):
        raise UsageError(f"'{form}' has a compression of its own", hint=f"wherry pack --compression {given.word} FILE")
    with shown(given.flag("quiet")) as progress:
        containers.pack(given.word, path, form=form, progress=progress)
    return 0


def import_(given: Given) -> int:
    """Make an image of a root file system; print its digest."""
    text, name = given.word, given.words[1] if len(given.words) > 1 else ""
    called = _STDIN if text == "-" else ""
    if given.flag("dry_run"):
        with file_of(text, None) as real:
            return foresee(containers.plan_import(real, name, shown=called), given.text("format"))
    world = containers.World()
    with file_of(text, world) as real, shown(given.flag("quiet")) as progress:
        image = containers.import_image(
            real,
            name,
            changes=given.many("change"),
            message=given.text("message") or "",
            platform=given.text("platform"),
            checksum=given.text("checksum") or "",
            shown=called,
            progress=progress,
            world=world,
        )
    print(image.digest)
    return 0


@contextmanager
def file_of(path: str, world: containers.World | None) -> Iterator[str]:
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
