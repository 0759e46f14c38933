"""Images in and out of files and folders: ``load``, ``save``, ``import``, ``export`` and copies to other places, each
with its plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.base.progress import Progress, silent
from wherry.containers.bringing import (
    absolute,
    load_path,
    load_source,
    look_at,
    not_an_image,
    source_of,
    with_checksum,
)
from wherry.containers.changes import Change
from wherry.containers.images import moved
from wherry.containers.naming import reference_to_name, stored_image
from wherry.containers.world import World
from wherry.image import ARCHIVES, Source
from wherry.store import Name

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.image import Image, Loaded

__all__ = [
    "copy_to",
    "import_image",
    "load",
    "load_file_at",
    "plan_import",
    "plan_load",
    "plan_save",
    "save",
    "saved_as",
]


def load(
    text: str,
    *,
    checksum: str = "",
    platform: str | None = None,
    progress: Progress = silent,
    world: World | None = None,
) -> tuple[Image, ...]:
    """All images of a file, a folder, a ``TRANSPORT:DETAILS`` or a URL into the store, with the names that they have
    there."""
    from wherry.containers.pulling import keep_within

    world = world or World()
    images = load_source(world, source_of(text, checksum), platform=platform, progress=progress)
    keep_within(world, images, progress)
    return images


def load_file_at(
    path: str, shown: str, *, platform: str | None = None, progress: Progress = silent, world: World | None = None
) -> tuple[Loaded, ...]:
    """The same of a file that the user calls ``shown`` (standard input, kept for the time), with the names in it."""
    from wherry.containers.pulling import keep_within

    world = world or World()
    found = load_path(world, path, shown, platform=platform, progress=progress)
    keep_within(world, (each.image for each in found), progress)
    return found


def plan_load(text: str, *, shown: str = "", world: World | None = None) -> tuple[Change, ...]:
    """What :func:`load` would bring: layers that are not here, images, names; of what has to be fetched, only that."""
    from wherry.image import preview_load

    world = world or World(make_store=False)
    source = source_of(text)
    if not source.is_path:
        return (Change("fetch", "image", str(source)),)
    path = absolute(world, source.place)
    form = look_at(shown or source.place, path)
    if form.kind in ("sif", "squashfs"):
        return (Change("unpack", "file", shown or path, bytes=os.path.getsize(path)),)
    if form.kind not in ARCHIVES:
        raise (
            not_an_image(shown or source.place, form)
            if form.looks
            else UsageError(
                f"'{shown or source.place}' is not loaded",
                why="it is a root file system",
                hint="wherry import FILE NAME",
            )
        )
    found: list[Change] = []
    for image in preview_load(world.store, path, wanted=source.name):
        digest = str(image.digest)
        missing = [(layer, size) for layer, size, held in image.layers if not held]
        found += [Change("add", "layer", layer.hex[:12], "", str(layer), size) for layer, size in missing]
        if world.store.image_record(image.digest) is None:
            found.append(Change("add", "image", image.digest.short, "", digest, sum(size for _, size in missing)))
        for reference in image.names:
            found += moved(world, reference, image.digest.short, image.digest)
    return tuple(dict.fromkeys(found))


def save(
    names: str | Sequence[str],
    path: str,
    form: str = "docker-archive",
    *,
    compression: str = "",
    progress: Progress = silent,
    world: World | None = None,
) -> tuple[Digest, ...]:
    """Write images into one archive or folder (:data:`wherry.image.FORMATS`), their layers as tars or with a
    ``compression``; the digests of the manifests in it."""
    from wherry.image import save_images

    world = world or World()
    images = [stored_image(world, name, progress) for name in _several(names)]
    return save_images(world.store, images, path, form, compression=compression, progress=progress)


def plan_save(
    names: str | Sequence[str], path: str, form: str = "docker-archive", *, world: World | None = None
) -> tuple[Change, ...]:
    """What :func:`save` would write; ``bytes`` without the archive's own headers."""
    from wherry.image import preview_save

    world = world or World(make_store=False)
    kind = "folder" if form in ("oci", "dir") else "file"
    action = "replace" if os.path.isfile(path) else "add" if os.path.isdir(path) else "write"
    found = []
    for name in _several(names):
        digest, size = preview_save(world.store, stored_image(world, name))
        found.append(Change(action, kind, path, name, str(digest), size))
    return tuple(found)


def saved_as(name: str, source: Source, *, world: World) -> str:
    """What a copy to ``source`` would make, in words; raise :class:`UsageError` for what nothing can be written to."""
    if source.transport not in ("oci", "oci-archive", "docker-archive", "dir", "docker-daemon", "containers-storage"):
        raise UsageError(
            f"'{source}' cannot be written to", hint="a registry's name, or oci:, oci-archive:, docker-archive:, dir:"
        )
    return absolute(world, source.place) if source.is_path else source.place


def copy_to(name: str, source: Source, *, progress: Progress = silent, world: World | None = None) -> Digest:
    """Write an image where a ``TRANSPORT:DETAILS`` says, under the name given there; the digest of its manifest."""
    from wherry.image import save_images

    world = world or World()
    place = saved_as(name, source, world=world)
    image = stored_image(world, name, progress)
    if source.is_path:
        form, given = source.transport, source.name or None
        return save_images(world.store, [image], place, form, name=given, progress=progress)[0]
    from wherry.containers.daemons import load_into

    work = world.store.new_work()
    try:
        form = "oci-archive" if source.transport == "containers-storage" else "docker-archive"
        reference = str(reference_to_name(world, source.place))
        digest = save_images(world.store, [image], f"{work}/archive", form, name=reference, progress=progress)[0]
        load_into(source, f"{work}/archive")
    finally:
        world.store.discard(work)
    return digest


def import_image(
    text: str,
    name: str = "",
    *,
    changes: tuple[str, ...] = (),
    message: str = "",
    platform: str | None = None,
    checksum: str = "",
    shown: str = "",
    progress: Progress = silent,
    world: World | None = None,
) -> Image:
    """An image of one layer from a root file system: a tar (also compressed, also behind a URL) or a folder.

    ``changes`` are instructions of a Dockerfile. Raises :class:`UsageError` for what is an image already.
    """
    from wherry.containers.pulling import keep_within
    from wherry.image import Imported

    world = world or World()
    reference = reference_to_name(world, name) if name else None
    source = source_of(text, checksum)
    told = Imported(changes, message, platform)
    if source.transport == "url":
        from wherry.containers.downloading import downloaded

        with downloaded(world, source, progress) as path:
            image = _imported(world, path, str(source), told, progress)
    elif source.transport == "file":
        path = absolute(world, source.place)
        with_checksum(source, path)
        image = _imported(world, path, shown or source.place, told, progress)
    else:
        raise UsageError(f"'{source}' is an image already", hint=f"wherry load {source}")
    if reference is not None:
        world.store.set_name(reference, Name(image.digest))
    keep_within(world, (image,), progress)
    return image


def plan_import(text: str, name: str = "", *, shown: str = "", world: World | None = None) -> tuple[Change, ...]:
    """What :func:`import_image` would add; its digest is known only once it is read."""
    world = world or World(make_store=False)
    source = source_of(text)
    target = reference_to_name(world, name).familiar if name else ""
    if source.transport == "url":
        return (Change("fetch", "image", str(source), target),)
    path = absolute(world, source.place)
    _require_root(path, shown or source.place)
    size = os.path.getsize(path) if os.path.isfile(path) else None
    return (Change("add", "image", shown or path, target, bytes=size),)


def _imported(world: World, path: str, shown: str, told: object, progress: Progress) -> Image:
    from wherry.image import Imported, import_folder, import_tar

    assert isinstance(told, Imported)
    _require_root(path, shown)
    return (import_folder if os.path.isdir(path) else import_tar)(world.store, path, told, progress)


def _require_root(path: str, shown: str) -> None:
    """Raise for what is no tar and no folder, or an image already; any tar will do, also one without programs."""
    form = look_at(shown, path)
    if form.kind in ARCHIVES or form.kind in ("sif", "squashfs"):
        why = "it has names and a configuration, which an import would lose"
        raise UsageError(f"'{shown}' is an image already", why=why, hint=f"wherry load -i {shown}")
    if not form.kind and not os.path.isdir(path) and "tar archive of neither" not in form.looks:
        raise UsageError(f"'{shown}' is not imported", why=f"it is {form.looks}", hint="a tar archive or a folder")


def _several(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names
