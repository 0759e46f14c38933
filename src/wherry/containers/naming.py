"""Names of images as people type them: to a reference, or to an image that is held here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import InvalidName, NotFound, UsageError
from wherry.base.progress import Progress, silent

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers.world import World
    from wherry.image import Image

__all__ = ["held_image", "held_name", "is_digits", "is_file", "reference_of", "reference_to_name", "stored_image"]

_HEX = frozenset("0123456789abcdef")
_LOCAL = "localhost/"


def reference_of(world: World, text: str) -> Reference:
    """The reference that ``text`` means here, with the default registry and short names of this machine."""
    from wherry.registry import parse_reference

    return parse_reference(text, world.settings, world.outside)


def reference_to_name(world: World, text: str) -> Reference:
    """The same, for a name that is to be given; raise :class:`UsageError` for a digest, which nobody can give."""
    reference = reference_of(world, text)
    if reference.digest is not None:
        raise UsageError(f"'{text}' cannot be given as a name", why="a digest follows from the content")
    return reference


def held_name(world: World, text: str) -> str:
    """podman calls what it builds ``localhost/NAME``, which is NAME here: each means the other where that alone is
    held."""
    other = text.removeprefix(_LOCAL) if text.startswith(_LOCAL) else "" if "/" in text else f"{_LOCAL}{text}"
    try:
        if other and not _holds(world, text) and _holds(world, other):
            return other
    except (InvalidName, UsageError):  # a file, or what is no name
        pass
    return text


def _holds(world: World, text: str) -> bool:
    reference = reference_of(world, text)
    for path in () if reference.digest else world.store.name_paths(reference):
        world.outside.stat(path)
    return world.store.name(reference) is not None


def held_image(world: World, text: str) -> Image:
    """The image of that name, file, source, digest or beginning of a digest; raise :class:`NotFound`. No registry is
    asked.

    A file is one where ``run`` would take it for one, and its image is kept as there.
    """
    from wherry.containers.resolving import not_in_registry
    from wherry.image import open_image

    found = not_in_registry(world, text)
    if found is not None:
        return found
    if is_digits(text):
        try:
            return open_image(world.store, text)
        except NotFound:
            if text.startswith("sha256:"):
                raise
    return open_image(world.store, str(reference_of(world, text)))


def stored_image(world: World, text: str, progress: Progress = silent) -> Image:
    """As :func:`held_image`, with its layers in the store: what is packed in a file is unpacked first.

    Raises :class:`UsageError` for a folder of files, which has no layers.
    """
    from wherry.containers.bringing import packed_path
    from wherry.image import directory_of, unpack_packed

    path = packed_path(world, text)
    if path is not None:
        return unpack_packed(world.store, path, progress)
    image = held_image(world, text)
    if directory_of(image):
        raise UsageError(
            f"'{text}' is a folder of files", why="it has no layers and no digest", hint=f"wherry import {text} NAME"
        )
    return image


def is_file(world: World, text: str) -> bool:
    """Whether ``text`` means a file, a folder or another source, not a registry's name."""
    from wherry.containers.resolving import file_meant, source_meant

    return source_meant(text) is not None or file_meant(world, text) is not None


def is_digits(text: str) -> bool:
    """Whether ``text`` may be a digest or the beginning of one (it may be a name all the same)."""
    digits = text.removeprefix("sha256:")
    return 6 <= len(digits) <= 64 and _HEX.issuperset(digits)
