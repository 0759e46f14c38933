"""Images out of files and folders: OCI layouts (folder or tar), ``docker save``'s archives, skopeo's ``dir:``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import BrokenArchive, Conflict, DigestMismatch, HostileArchive, ImageError, NotFound, reason
from wherry.base.progress import Progress, silent
from wherry.base.reference import Reference
from wherry.image.archived import ArchivedImage, archived_images
from wherry.image.decode import decoded
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.forms import ARCHIVES, form_of
from wherry.image.layers import bring_layers, estimate, find_layer, wanted_layers
from wherry.image.layout import FolderLayout, Layout, TarLayout, looks_compressed
from wherry.image.local import Image
from wherry.image.model import Descriptor
from wherry.image.pipeline import most_bytes
from wherry.image.recording import record_image
from wherry.store import Name, Store

__all__ = ["ArchivedImage", "Loaded", "is_image_file", "load_file", "load_images", "load_named", "preview_load"]


class Loaded(msgspec.Struct, frozen=True):
    """An image that was taken into the store, and the names that the archive gives it."""

    image: Image
    names: tuple[Reference, ...] = ()


def is_image_file(path: str) -> bool:
    """Whether a file or folder is an archive of images, by its content. Cheap; False for what cannot be read."""
    try:
        return form_of(path).kind in ARCHIVES
    except OSError:
        return False


def load_file(
    store: Store, path: str, *, platform: str | None = None, name: bool = True, progress: Progress = silent
) -> Image:
    """The first of :func:`load_images`."""
    return load_images(store, path, platform=platform, name=name, progress=progress)[0]


def load_images(
    store: Store,
    path: str,
    *,
    wanted: str = "",
    platform: str | None = None,
    name: bool = True,
    single: bool = False,
    progress: Progress = silent,
) -> tuple[Image, ...]:
    """Take the images of an archive or an OCI layout into the store, or only the ``wanted`` one (its name or tag in the
    archive, or ``@N``).

    With ``name`` they get the names that the archive gives them, like ``docker load``. Layers that are here already
    are not unpacked again, so loading twice is cheap. With ``single`` an archive of several is refused before anything
    is unpacked. Raises :class:`BrokenArchive`, :class:`DigestMismatch`, :class:`NotFound`, :class:`Conflict` and the
    errors of :func:`wherry.image.pull`.
    """
    found = load_named(store, path, wanted=wanted, platform=platform, name=name, single=single, progress=progress)
    return tuple(each.image for each in found)


def load_named(
    store: Store,
    path: str,
    *,
    wanted: str = "",
    platform: str | None = None,
    name: bool = True,
    single: bool = False,
    called: str = "",
    progress: Progress = silent,
) -> tuple[Loaded, ...]:
    """:func:`load_images`, with the names in the archive; ``called`` is what it is called in place of its path."""
    path = os.path.abspath(path)
    with threads_needed(f"load '{path}'"), _opened(path, _work(store, path)) as layout:
        found = archived_images(layout, path, platform, wanted)
        if single:
            found = iter([_only(list(found), path)])
        loaded = tuple(Loaded(_bring(store, layout, image, called or path, progress), image.names) for image in found)
    if not loaded:
        raise _empty(path)
    for each in loaded if name else ():
        for reference in each.names:
            store.set_name(reference, Name(each.image.digest))
    return loaded


def preview_load(
    store: Store, path: str, *, wanted: str = "", platform: str | None = None
) -> tuple[ArchivedImage, ...]:
    """What :func:`load_images` would bring; changes nothing. Raises as that does."""
    path = os.path.abspath(path)
    # Beside the store, where one looks whether there is room: the temporary directory is often memory.
    folder = _work(store, path) if os.path.isdir(store.path) else _temporary()
    with _opened(path, folder) as layout:
        found = tuple(archived_images(layout, path, platform, wanted))
    if not found:
        raise _empty(path)
    return tuple(msgspec.structs.replace(image, layers=_layers(store, image)) for image in found)


def _only(found: list[ArchivedImage], path: str) -> ArchivedImage:
    if not found:
        raise _empty(path)
    if len({image.digest for image in found}) > 1:
        names = ", ".join(image.names[0].familiar for image in found[:8] if image.names)
        raise Conflict(
            f"'{path}' holds {len(found)} images",
            why=names or "none of them has a name",
            hint=f"wherry load -i {path}; or name one: docker-archive:FILE:NAME, oci-archive:FILE:TAG, oci:FOLDER:TAG",
        )
    return found[0]


def _layers(store: Store, found: ArchivedImage) -> tuple[tuple[Digest, int, bool], ...]:
    wanted = wanted_layers(found.manifest.layers, found.config.rootfs.diff_ids)
    return tuple((each.diff_id, each.descriptor.size, find_layer(store, each) is not None) for each in wanted)


def _empty(path: str) -> BrokenArchive:
    return BrokenArchive(f"'{path}' holds no image", why="its list of images is empty")


@contextmanager
def _opened(path: str, folder: AbstractContextManager[str]) -> Iterator[Layout]:
    """The archive at ``path``. A compressed one is read back and forth, so it is unpacked into ``folder`` first."""
    try:
        with ExitStack() as stack:
            if os.path.isdir(path):
                layout: Layout = FolderLayout(path)
            elif looks_compressed(path):
                layout = TarLayout(_decompressed(path, stack.enter_context(folder)))
            else:
                layout = TarLayout(path)
            stack.callback(layout.close)
            yield layout
    except FileNotFoundError as error:
        raise NotFound(f"there is no file '{path}'") from error
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from error


@contextmanager
def _work(store: Store, path: str) -> Iterator[str]:
    """A folder beside the store's layers, where there is room for the archive."""
    store.require_space(os.path.getsize(path) * 3, f"the archive '{path}'")
    work = store.new_work()
    try:
        yield work
    finally:
        store.discard(work)


@contextmanager
def _temporary() -> Iterator[str]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="wherry-") as folder:
        yield folder


def _decompressed(path: str, folder: str) -> str:
    target_path = f"{folder}/archive.tar"
    with open(path, "rb", buffering=0) as source, open(target_path, "xb", buffering=1 << 20) as target:
        left = most_bytes(os.path.getsize(path))
        for chunk in decoded(source, os.path.basename(path)):
            left -= len(chunk)
            if left < 0:
                raise HostileArchive(f"'{path}' is refused", why="it unpacks to over a thousand times its size")
            try:
                target.write(chunk)
            except OSError as error:
                raise storage_failure(error, path, folder) from error
    return target_path


def _bring(store: Store, layout: Layout, found: ArchivedImage, path: str, progress: Progress) -> Image:
    wanted = wanted_layers(found.manifest.layers, found.config.rootfs.diff_ids)
    store.require_space(estimate(store, wanted), f"the image '{path}'")
    layers = bring_layers(store, wanted, _FromLayout(layout, found.places), progress)
    shown = _shown(found.names, path, found.data)
    return record_image(store, shown, (found.data, None), found.manifest, found.config_data, layers)


class _FromLayout:
    resumable = False
    doing = "reading"
    repository = ""

    def __init__(self, layout: Layout, places: dict[Digest, str]) -> None:
        self._layout = layout
        self._places = places

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterable[bytes]:
        return self._verified(descriptor, offset, hasher)

    def _verified(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterator[bytes]:
        for chunk in self._layout.chunks(self._places[descriptor.digest], offset):
            hasher.update(chunk)
            yield chunk
        found = hasher.digest()
        if found != descriptor.digest:
            why = f"the archive's bytes have the digest {found}"
            raise DigestMismatch(f"layer '{descriptor.digest.short}' is not what its digest says", why=why)


def _shown(names: Sequence[Reference], path: str, manifest: bytes) -> str:
    """What the image is called: its name, else where it was found (with its digest, so that it is no left-over)."""
    return str(names[0]) if names else f"{path}@{Digest.of(manifest)}"
