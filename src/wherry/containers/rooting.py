"""``export``: the root file system of a kept container or an image as one tar."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from wherry.base.errors import ImageError, NotFound, StoreFull, reason, remedy
from wherry.base.progress import Event, Progress, silent
from wherry.containers.changes import Change
from wherry.containers.kept import Container
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Image

__all__ = ["export_root", "plan_export_root"]


def export_root(name: str, stream: IO[bytes], *, progress: Progress = silent, world: World | None = None) -> None:
    """Write the tar of ``name`` to ``stream``: a kept container's own files over its image's, else an image's.

    Raises :class:`NotFound`, :class:`ImageError` when a file cannot be read.
    """
    world = world or World()
    found = _found(world, name)
    if isinstance(found, Container) and found.options.userns == "range":
        from wherry.containers.ranged import with_all_ids

        with_all_ids(lambda: _write(world, found, name, stream, silent))
        return
    _write(world, found, name, stream, progress)


def plan_export_root(name: str, path: str, *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`export_root` would write."""
    found = _found(world or World(make_store=False), name)
    kind = "container" if isinstance(found, Container) else "image"
    return (Change("replace" if os.path.isfile(path) else "write", "file", path, f"{kind} {name}"),)


def _found(world: World, name: str) -> Container | Image:
    from wherry.containers.lookup import find_container, kept_named
    from wherry.containers.naming import held_image

    try:
        find_container(world, name)
    except NotFound as error:
        try:
            return held_image(world, name)
        except NotFound:
            hint = error.hint or "'wherry ps -a' and 'wherry images' list what there is"
            raise NotFound(f"there is no container and no image '{name}' here", hint=hint) from None
    return kept_named(world, name)


def _write(world: World, found: Container | Image, name: str, stream: IO[bytes], progress: Progress) -> None:
    position = 0
    try:
        for chunk in _chunks(world, found):
            stream.write(chunk)
            position += len(chunk)
            progress(Event(name, "exporting", position))
        stream.flush()
    except BrokenPipeError:
        raise  # who reads has enough: no error of ours
    except OSError as error:
        kind = StoreFull if error.errno in (28, 122) else ImageError
        raise kind(f"'{name}' cannot be exported", why=reason(error), hint=remedy(error, write=True)) from None
    progress(Event(name, "done", position, position))


def _chunks(world: World, found: Container | Image) -> Iterator[bytes]:
    from wherry.image import folder_tar, root_tar

    if not isinstance(found, Container):
        return root_tar(found)
    from wherry.containers.copied import copy_of
    from wherry.containers.resolving import image_of
    from wherry.containers.upper import upper_of

    copy = copy_of(world, found)
    return folder_tar(copy) if copy else root_tar(image_of(world, found), upper_of(world, found))
