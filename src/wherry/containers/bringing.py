"""Images that are no registry's: in files, folders, behind URLs, in other programs' stores; from there into ours.

What was taken in once is known again (by a file's path and stamp, a URL's checksum, another program's id) and not read
a second time.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, NotFound, UsageError, WherryError, reason, remedy
from wherry.base.progress import Progress, silent
from wherry.containers.resolving import NotTakenIn, file_meant, source_meant
from wherry.image import ARCHIVES, Source, form_of, parse_checksum, parse_source

if TYPE_CHECKING:
    from wherry.base.outside import Stamp
    from wherry.containers.world import World
    from wherry.image import Form, Image, Loaded

__all__ = [
    "absolute",
    "load_path",
    "load_source",
    "look_at",
    "not_an_image",
    "open_file",
    "open_source",
    "packed_path",
    "source_of",
    "with_checksum",
]

PACKED = ("sif", "squashfs")
"""Forms that are mounted, not unpacked."""

_FILE_HINT = "an image's name has no './' in front and no '/' at its end; 'wherry images' lists what is held"
_SETTLED = 2.0
"""Seconds after which a file that changes again has another stamp, whatever the file system's clock."""

_FORMS = {
    "oci": ("oci",),
    "oci-archive": ("archive",),
    "docker-archive": ("archive",),
    "dir": ("dir",),
    "sif": ("sif",),
}
"""What each transport insists on."""


def source_of(text: str, checksum: str = "") -> Source:
    """What a file's path, ``TRANSPORT:DETAILS`` or a URL says; ``checksum`` belongs to what it leads to."""
    found = parse_source(text) or Source("file", text)
    return msgspec.structs.replace(found, checksum=parse_checksum(checksum)) if checksum else found


def absolute(world: World, path: str) -> str:
    return os.path.normpath(path if path.startswith("/") else f"{world.outside.cwd()}/{path}")


def look_at(text: str, path: str) -> Form:
    """The form of what is at ``path``, which the user calls ``text``; raise :class:`NotFound`, :class:`UsageError`."""
    try:
        return form_of(path)
    except FileNotFoundError:
        raise NotFound(f"there is no file '{text}'", hint="check the spelling; - reads standard input") from None
    except OSError as error:
        raise UsageError(f"'{text}' cannot be read", why=reason(error), hint=remedy(error)) from None


def open_source(
    world: World, source: Source, *, platform: str | None = None, progress: Progress = silent, dry_run: bool = False
) -> Image:
    """The one image that a source leads to, ready to run: in place, or taken into the store without a name."""
    if source.is_path:
        path = absolute(world, source.place)
        _check_form(source, path)
        return open_file(world, source.place, path, source.name, platform=platform, progress=progress, dry_run=dry_run)
    if source.transport == "url":
        return _open_url(world, source, platform, progress, dry_run=dry_run)
    if source.transport == "oras":
        from wherry.containers.artifacts import fetch_artifact

        try:
            path = fetch_artifact(world, source.place, pull="never" if dry_run else "missing", progress=progress)
        except NotFound:
            if dry_run:
                raise NotTakenIn(source) from None
            raise
        return open_file(world, str(source), path, dry_run=dry_run)
    from wherry.containers.daemons import image_id, saved_by

    world.outside.stat("/proc/self")  # nothing tells a saved plan that the image there is another now
    key = _key(source.transport, image_id(source), platform or "")
    known = _known(world, key)
    if known is not None:
        return known
    if dry_run:
        raise NotTakenIn(source)
    with saved_by(world, source) as path:
        image = _taken(world, key, path, str(source), platform)
    return _kept_within(world, image, progress)


def _open_url(world: World, source: Source, platform: str | None, progress: Progress, *, dry_run: bool) -> Image:
    from wherry.containers.downloading import downloaded

    key, store = _key("url", str(source.checksum), platform or ""), world.store
    while True:
        kept = store.blob_path(source.checksum) if source.checksum else None
        if kept is not None:
            return open_file(world, str(source), kept, platform=platform, progress=progress, dry_run=dry_run)
        known = _known(world, key)
        if known is not None:
            return known
        if dry_run:
            raise NotTakenIn(source)
        image = None
        with downloaded(world, source, progress, lambda: _is_here(world, source, key)) as path:
            if path and look_at(str(source), path).kind not in PACKED:
                image = _taken(world, key, path, str(source), platform)
            elif path:
                from wherry.image import keep_packed

                assert source.checksum is not None  # without one nothing is given out
                keep_packed(store, path, source.checksum, str(source))
        if image is not None:
            return _kept_within(world, image, progress)


def _kept_within(world: World, image: Image, progress: Progress) -> Image:
    from wherry.containers.pulling import keep_within

    keep_within(world, (image,), progress)
    return image


def _is_here(world: World, source: Source, key: Digest) -> bool:
    """Whether another has taken it in meanwhile."""
    held = source.checksum is not None and world.store.has_blob(source.checksum)
    return held or _known(world, key) is not None


def open_file(
    world: World,
    text: str,
    path: str,
    wanted: str = "",
    *,
    platform: str | None = None,
    progress: Progress = silent,
    dry_run: bool = False,
) -> Image:
    """The image in a file or folder: where it lies, or taken into the store without a name.

    Raises :class:`NotFound`, and :class:`UsageError` for what is no image, with what it looks like; where nothing may
    be changed (``dry_run``), :class:`NotTakenIn`.
    """
    if not world.outside.stat(path).exists:
        raise NotFound(f"there is no image file '{text}'", why=f"'{path}' does not exist", hint=_FILE_HINT)
    form = look_at(text, path)
    if form.kind == "root":
        from wherry.image import open_directory

        return open_directory(path)
    if form.kind in PACKED:
        from wherry.containers.packed import open_packed

        return open_packed(world, path, dry_run=dry_run, progress=progress)
    stamps = [path] + [f"{path}/{name}" for name in ("index.json", "manifest.json") if os.path.isdir(path)]
    seen = [world.outside.stat(place) for place in stamps]
    key = _key("file", path, wanted, platform or "", *map(_stamp, seen))
    while True:
        known = _known(world, key)
        if known is not None:
            return known
        if dry_run:
            _require_image(text, form)
            raise NotTakenIn(Source("file", text))
        with world.store.flight(
            f"file-{key.hex}", progress, lambda: _known(world, key) is not None, subject=text
        ) as mine:
            if mine:
                image = _taken_from(world, text, path, wanted, platform, progress)
                newest = max(max(stamp.mtime_ns, stamp.ctime_ns) for stamp in seen)
                if time.time() - newest / 1e9 > _SETTLED:
                    world.store.remember_file(key, image.digest, image.reference)
        if mine:
            return _kept_within(world, image, progress)


def packed_path(world: World, text: str) -> str | None:
    """The path when ``text`` means a SIF or squashfs file; one in a registry is fetched."""
    source = source_meant(text)
    if source is not None and source.transport == "oras":
        from wherry.containers.artifacts import fetch_artifact

        return fetch_artifact(world, source.place)
    path = file_meant(world, text) if source is None else None
    if source is not None and source.is_path:
        path = absolute(world, source.place)
        _check_form(source, path)
    if path is None or not os.path.isfile(path):
        return None
    return path if look_at(text, path).kind in PACKED else None


def load_source(
    world: World, source: Source, *, platform: str | None = None, progress: Progress = silent
) -> tuple[Image, ...]:
    """All images of a source into the store, with the names that they have there."""
    if source.transport == "docker":
        from wherry.containers.naming import reference_of
        from wherry.containers.pulling import fetch

        return (fetch(world, reference_of(world, source.place), platform=platform, progress=progress),)
    if source.is_path:
        path = absolute(world, source.place)
        _check_form(source, path)
        with_checksum(source, path)
        found = load_path(world, path, source.place, wanted=source.name, platform=platform, progress=progress)
        return tuple(each.image for each in found)
    if source.transport == "oras":
        from wherry.containers.artifacts import fetch_artifact

        return (_unpacked(world, fetch_artifact(world, source.place, pull="always", progress=progress), progress),)
    if source.transport == "url":
        from wherry.containers.downloading import downloaded

        opened = downloaded(world, source, progress)
    else:
        from wherry.containers.daemons import saved_by

        opened = saved_by(world, source)
    with opened as path:
        found = load_path(world, path, str(source), platform=platform, progress=progress)
        return tuple(each.image for each in found)


def load_path(
    world: World,
    path: str,
    shown: str = "",
    *,
    wanted: str = "",
    platform: str | None = None,
    progress: Progress = silent,
) -> tuple[Loaded, ...]:
    """All images of a file or folder into the store, with their names; one that is there for the time only is called
    what it was ``shown`` as."""
    called = shown.replace(" ", "-") if path.startswith(f"{world.store.path}/") else ""
    form = look_at(shown or path, path)
    if form.kind in ARCHIVES:
        from wherry.image import load_named

        return load_named(world.store, path, wanted=wanted, platform=platform, called=called, progress=progress)
    if form.kind in PACKED:
        from wherry.image import Loaded

        return (Loaded(_unpacked(world, path, progress, called)),)
    if form.kind in ("root", "root-tar"):
        raise UsageError(
            f"'{shown or path}' is not loaded",
            why="it is a root file system, which has no name and no configuration",
            hint=f"wherry import {'-' if called else shown or path} NAME",
        )
    raise not_an_image(shown or path, form)


def not_an_image(text: str, form: Form) -> UsageError:
    """The error that says what a file is."""
    hint = "images are made by 'wherry save', 'docker save', 'skopeo copy', 'wherry pack' or 'apptainer build'"
    return UsageError(f"'{text}' is not an image", why=f"it is {form.looks}", hint=hint)


def _require_image(text: str, form: Form) -> None:
    if form.kind not in (*ARCHIVES, "root-tar"):
        raise not_an_image(text, form)


def with_checksum(source: Source, path: str) -> None:
    """Raise :class:`DigestMismatch` unless the file is what its checksum says, if it has one."""
    if source.checksum is None:
        return
    if os.path.isdir(path):
        raise UsageError(f"'{source.place}' is a folder", why="a checksum is of a file")
    hasher = source.checksum.hasher()
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
    except OSError as error:
        raise NotFound(f"'{source.place}' cannot be read", why=reason(error), hint=remedy(error)) from None
    if hasher.digest() != source.checksum:
        raise DigestMismatch(f"'{source.place}' is not what its checksum says", why=f"it is {hasher.digest()}")


def _taken_from(
    world: World, text: str, path: str, wanted: str, platform: str | None, progress: Progress, reference: str = ""
) -> Image:
    """One image of an archive, or of a root file system as a tar, into the store without a name."""
    form = look_at(text, path)
    if form.kind in ARCHIVES:
        from wherry.image import load_images

        found = load_images(
            world.store, path, wanted=wanted, platform=platform, name=False, single=True, progress=progress
        )
        return found[0]
    if form.kind == "root-tar":
        from wherry.image import Imported, import_tar

        return import_tar(world.store, path, Imported(platform=platform, reference=reference or path), progress)
    if form.kind in PACKED:
        return _unpacked(world, path, progress)
    raise not_an_image(text, form)


def _taken(world: World, key: Digest, path: str, shown: str, platform: str | None) -> Image:
    image = _taken_from(world, shown, path, "", platform, silent, reference=shown)
    image = msgspec.structs.replace(image, reference=shown)
    world.store.remember_file(key, image.digest, shown)
    return image


def _known(world: World, key: Digest) -> Image | None:
    """The image that was taken in before, if it is still here whole."""
    from wherry.image import open_by_digest

    known = world.store.image_of_file(key)
    if known is None:
        return None
    try:
        image = open_by_digest(world.store, known[0], known[1])
    except (NotFound, WherryError):
        return None
    path = world.store.blob_path(image.digest)
    if path is not None:
        world.outside.stat(path)
    return image


def _unpacked(world: World, path: str, progress: Progress, called: str = "") -> Image:
    from wherry.image import unpack_packed

    return unpack_packed(world.store, path, progress, called)


def _check_form(source: Source, path: str) -> None:
    """Raise unless the file is what the transport says: ``oci:`` and the like are not guessed at."""
    wanted = _FORMS.get(source.transport)
    if wanted is None or not os.path.exists(path):
        return
    form = look_at(source.place, path)
    if form.kind not in wanted:
        what = form.looks or f"of the form '{form.kind}'"
        raise UsageError(
            f"'{source}' is not what it says", why=f"'{source.place}' is {what}", hint="name the file alone: ./FILE"
        )


def _stamp(stamp: Stamp) -> str:
    """Without the device: other nodes have the same file system under another number."""
    return f"{stamp.inode}:{stamp.size}:{stamp.mtime_ns}:{stamp.ctime_ns}"


def _key(*parts: str) -> Digest:
    return Digest.of("\0".join(parts).encode("utf-8", "surrogateescape"))
