"""``pack``: an image into one file that runs where it lies, here and under Apptainer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.base.progress import Progress, silent
from wherry.base.settings import size_in_bytes
from wherry.containers.artifacts import artifact_of
from wherry.containers.bringing import packed_path
from wherry.containers.changes import Change
from wherry.containers.resolving import MissingImage, resolve
from wherry.containers.times import source_epoch
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Image, PackOptions

__all__ = ["pack", "plan_pack"]

_FORMS = ("sif", "squashfs")


def pack(
    name: str,
    path: str,
    *,
    form: str = "",
    compression: str = "",
    block_size: str = "",
    platform: str | None = None,
    world: World | None = None,
    progress: Progress = silent,
) -> int:
    """Write the image (a name, pulled if missing, a file or a directory) to ``path``; the bytes of the file.

    ``form`` is ``sif`` or ``squashfs``, by default what the path's suffix says; the others come from the settings.
    ``SOURCE_DATE_EPOCH`` gives the file's times. Raises as :func:`wherry.image.pack` and :func:`resolve`.
    """
    from wherry.image import pack as pack_image

    world = world or World()
    options = _options(world, path, form, compression, block_size)
    return pack_image(world.store, _image(world, name, platform, progress), path, options, progress=progress)


def plan_pack(name: str, path: str, *, form: str = "", world: World | None = None) -> tuple[Change, ...]:
    """What :func:`pack` would do; nothing is pulled."""
    world = world or World(make_store=False)
    options = _options(world, path, form, "", "")
    changes = []
    if artifact_of(name):
        changes.append(Change("pull", "sif", name))
    elif packed_path(world, name) is None:
        found = resolve(world, name, dry_run=True)
        if isinstance(found, MissingImage):
            changes.append(Change("pull", "image", found.reference.familiar))
    action = "replace" if os.path.isfile(path) else "write"
    return (*changes, Change(action, options.form, path, name))


def _options(world: World, path: str, form: str, compression: str, block_size: str) -> PackOptions:
    from wherry.image import PackOptions, form_of_suffix

    if form and form not in _FORMS:
        raise UsageError(f"'--format {form}' is not known", hint=f"{' or '.join(_FORMS)}")
    compression = compression or world.settings.text("pack.compression")
    known = ("zstd", "gzip", "xz", "lz4", "lzo", "none")
    if compression not in known:
        raise UsageError(f"'--compression {compression}' is not known", hint=", ".join(known))
    size = size_in_bytes("--block-size", block_size) if block_size else world.settings.number("pack.block_size")
    return PackOptions(form or form_of_suffix(path), compression, size, source_epoch(world.outside))


def _image(world: World, name: str, platform: str | None, progress: Progress) -> Image:
    """The image, its layers in the store; what is packed already is unpacked, so that its owners are known."""
    from wherry.containers.resolving import Resolved
    from wherry.image import unpack_packed

    path = packed_path(world, name)
    if path is not None:
        return unpack_packed(world.store, path, progress)
    found = resolve(world, name, platform=platform, progress=progress)
    assert isinstance(found, Resolved)
    return found.image
