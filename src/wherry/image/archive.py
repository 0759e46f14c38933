"""Images out of files and folders: OCI layouts (folder or tar) and what ``docker save`` and ``podman save`` write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import BrokenArchive, DigestMismatch, HostileArchive, ImageError, InvalidName, NotFound, reason
from wherry.base.progress import Progress, silent
from wherry.base.reference import Reference
from wherry.image.decode import decoded
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.layers import bring_layers, estimate, find_layer, wanted_layers
from wherry.image.layout import FolderLayout, Layout, TarLayout, looks_compressed, names_an_image
from wherry.image.local import Image
from wherry.image.model import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    read_config,
    read_document,
)
from wherry.image.pipeline import most_bytes
from wherry.image.platforms import Platform, choose, here
from wherry.image.pulling import record_image
from wherry.store import Name, Store

__all__ = ["ArchivedImage", "is_image_file", "load_file", "preview_load"]

_TAR = "application/vnd.oci.image.layer.v1.tar"
_CHUNK = 1 << 18


class _DockerImage(msgspec.Struct, rename="pascal"):
    """One image of a ``manifest.json``."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class ArchivedImage(msgspec.Struct, frozen=True):
    """An image of an archive as its documents say; its layers are not read yet, but for their digests."""

    names: tuple[Reference, ...]
    data: bytes
    manifest: Manifest
    config_data: bytes
    config: ImageConfig
    places: dict[Digest, str]
    layers: tuple[tuple[Digest, int, bool], ...] = ()
    """Each layer's diff id, its bytes in the archive, and whether it is here; only of a preview."""

    @property
    def digest(self) -> Digest:
        return Digest.of(self.data)


def is_image_file(path: str) -> bool:
    """Whether a file or folder is an image, by its content. Cheap; False for what cannot be read."""
    try:
        if os.path.isdir(path):
            return os.path.isfile(f"{path}/oci-layout") and os.path.isfile(f"{path}/index.json")
        return os.path.isfile(path) and names_an_image(path)
    except OSError:
        return False


def load_file(
    store: Store, path: str, *, platform: str | None = None, name: bool = True, progress: Progress = silent
) -> Image:
    """Take the images of an archive or an OCI layout into the store; return the first.

    With ``name`` they get the names that the archive gives them, like ``docker load``. Layers that are here already
    are not unpacked again, so loading twice is cheap. Raises :class:`BrokenArchive`, :class:`DigestMismatch`,
    :class:`NotFound` and the errors of :func:`wherry.image.pull`.
    """
    path = os.path.abspath(path)
    with threads_needed(f"load '{path}'"), _opened(path, _work(store, path)) as layout:
        loaded = [(_bring(store, layout, found, path, progress), found) for found in _images(layout, path, platform)]
    if not loaded:
        raise _empty(path)
    for image, found in loaded if name else ():
        for reference in found.names:
            store.set_name(reference, Name(image.digest))
    return loaded[0][0]


def preview_load(store: Store, path: str, *, platform: str | None = None) -> tuple[ArchivedImage, ...]:
    """What :func:`load_file` would bring; changes nothing. Raises as that does."""
    path = os.path.abspath(path)
    with _opened(path, _temporary()) as layout:
        found = tuple(_images(layout, path, platform))
    if not found:
        raise _empty(path)
    return tuple(msgspec.structs.replace(image, layers=_layers(store, image)) for image in found)


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


def _images(layout: Layout, path: str, platform: str | None) -> Iterator[ArchivedImage]:
    if layout.has("index.json"):
        return _oci_images(layout, path, platform)
    if layout.has("manifest.json"):
        return _docker_images(layout, path)
    why = "it has neither 'index.json' (OCI) nor 'manifest.json' (docker save)"
    raise BrokenArchive(f"'{path}' is not an image", why=why)


def _oci_images(layout: Layout, path: str, platform: str | None) -> Iterator[ArchivedImage]:
    index = read_document(layout.read("index.json"), "application/vnd.oci.image.index.v1+json", path)
    if not isinstance(index, Index):
        raise BrokenArchive(f"'{path}' is not an image", why="its 'index.json' is no index")
    chosen: Sequence[Descriptor] = index.manifests
    named = {_annotated(item) for item in chosen}
    if len(chosen) > 1 and len(named) == 1:  # one image for several platforms
        chosen = [_choose(index, platform, path)]
    for item in chosen:
        data = _blob(layout, item, path)
        document = read_document(data, item.media_type, path)
        if isinstance(document, Index):
            inner = _choose(document, platform, path)
            data = _blob(layout, inner, path)
            document = read_document(data, inner.media_type, path)
        if isinstance(document, Index):
            raise ImageError(f"'{path}' has an index within an index", why="that is not followed")
        config_data = _blob(layout, document.config, path)
        config = read_config(config_data, document, path)
        places = {layer.digest: _place(layer.digest) for layer in document.layers}
        yield ArchivedImage(_references([_annotated(item)]), data, document, config_data, config, places)


def _docker_images(layout: Layout, path: str) -> Iterator[ArchivedImage]:
    try:
        listed = msgspec.json.decode(layout.read("manifest.json"), type=list[_DockerImage])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenArchive(f"'{path}' is not an image", why=f"its 'manifest.json': {error}") from None
    for item in listed:
        config_data = layout.read(item.config)
        data, places = _docker_manifest(layout, item, config_data)
        document = read_document(data, OCI_MANIFEST, path)
        assert not isinstance(document, Index)
        config = read_config(config_data, document, path)
        yield ArchivedImage(_references(item.repo_tags or ()), data, document, config_data, config, places)


def _docker_manifest(layout: Layout, item: _DockerImage, config: bytes) -> tuple[bytes, dict[Digest, str]]:
    """``docker save`` writes no manifest; the image gets one, always the same for the same image."""
    layers: list[dict[str, object]] = []
    places = {}
    for name in item.layers:
        hasher = Hasher()
        first = b""
        for chunk in layout.chunks(name):
            first = first or chunk[:4]
            hasher.update(chunk)
        suffix = "+gzip" if first.startswith(b"\x1f\x8b") else "+zstd" if first == b"\x28\xb5\x2f\xfd" else ""
        digest = hasher.digest()
        places[digest] = name
        layers.append({"mediaType": _TAR + suffix, "digest": str(digest), "size": layout.size(name)})
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
        "layers": layers,
    }
    return msgspec.json.encode(document), places


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


def _choose(index: Index, platform: str | None, path: str) -> Descriptor:
    wanted = Platform.parse(platform) if platform else here()
    if len(index.manifests) == 1 and platform is None:
        return index.manifests[0]
    return choose(index, wanted, path, strict=platform is not None)


def _blob(layout: Layout, item: Descriptor, path: str) -> bytes:
    data = layout.read(_place(item.digest))
    hasher = item.digest.hasher()
    hasher.update(data)
    if hasher.digest() != item.digest:
        raise DigestMismatch(f"'{path}' was damaged", why=f"'{_place(item.digest)}' has the digest {hasher.digest()}")
    return data


def _place(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _annotated(item: Descriptor) -> str:
    return item.annotations.get("io.containerd.image.name") or item.annotations.get(
        "org.opencontainers.image.ref.name", ""
    )


def _references(texts: Iterable[str]) -> tuple[Reference, ...]:
    return tuple(reference for text in texts if (reference := _reference(text)) is not None)


def _reference(text: str) -> Reference | None:
    """The name in an annotation; a bare tag (as skopeo writes it) names nothing."""
    if "/" not in text and ":" not in text:
        return None
    try:
        found = Reference.parse(text)
    except InvalidName:
        return None
    return found if found.digest is None else None


def _shown(names: Sequence[Reference], path: str, manifest: bytes) -> str:
    """What the image is called: its name, else where it was found (with its digest, so that it is no left-over)."""
    return str(names[0]) if names else f"{path}@{Digest.of(manifest)}"
