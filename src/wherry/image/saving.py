"""Images into files and folders that Docker, Podman, skopeo and Wherry read.

Layers are written uncompressed unless asked for otherwise, exactly as they were made, so a digest is another than the
registry's; the same images give the same bytes. A *docker-archive* is an OCI layout, too: readers of either find their
list in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import ImageError, InvalidName, UsageError
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.carrying import compressed
from wherry.image.decode import decoded
from wherry.image.layout import FolderLayout
from wherry.image.local import Image
from wherry.image.model import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor
from wherry.image.table import rebuild, tar_size
from wherry.image.writing import Writer, folder_writer, tar_writer
from wherry.store import Layer, Store

__all__ = ["FORMATS", "preview_save", "save_file", "save_images"]

FORMATS = ("docker-archive", "oci-archive", "oci", "dir")
"""A file for ``docker load``, a tar of an OCI layout, an OCI layout, skopeo's folder."""

_TAR = "application/vnd.oci.image.layer.v1.tar"
_BLOBS = "blobs/sha256"


class _Piece(msgspec.Struct, frozen=True):
    """A layer as it is written; ``path`` is the file with its compressed bytes, empty for its tar."""

    layer: Layer
    item: Descriptor
    path: str = ""


class _Saved(msgspec.Struct, frozen=True):
    """An image as it is written: its documents, its layers by diff id, its names."""

    image: Image
    config: bytes
    manifest: bytes
    layers: dict[Digest, _Piece]
    names: tuple[str, ...]

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)


def save_file(store: Store, image: Image, path: str, *, progress: Progress = silent) -> Digest:
    """One image as a docker-archive: :func:`save_images`."""
    return save_images(store, [image], path, progress=progress)[0]


def save_images(
    store: Store,
    images: Sequence[Image],
    path: str,
    form: str = "docker-archive",
    *,
    name: str | None = None,
    compression: str = "",
    progress: Progress = silent,
) -> tuple[Digest, ...]:
    """Write ``images`` to ``path`` (for archives a pipe will do); the digests of their manifests there. Layers are
    written as tars or, with ``compression``, as ``gzip`` or ``zstd``.

    Each has the name by which it was asked for, or ``name``: of a docker-archive an image's name, of an OCI layout any
    tag. An OCI layout that is there is added to. Raises :class:`ImageError` when a layer cannot be given back or
    nothing can be written, :class:`Conflict` for a folder that holds something else.
    """
    if form not in FORMATS:
        raise UsageError(f"'{form}' is not a format", hint=", ".join(FORMATS))
    with _work(store, compression) as work:
        saved = _saved(store, images, name, form, compression, work)
        if form == "dir" and len(saved) > 1:
            raise UsageError("a 'dir' folder holds one image", why=f"{len(saved)} are named", hint="--format oci")
        with _writer(path, form) as writer:
            if form == "dir":
                _write_dir(store, saved[0], writer, progress)
            else:
                _write_layout(store, saved, writer, form, path, progress)
    return tuple(each.digest for each in saved)


@contextmanager
def _work(store: Store, compression: str) -> Iterator[str]:
    """A folder for compressed layers, whose digests have to be known before the first is written."""
    work = store.new_work() if compression else ""
    try:
        yield work
    finally:
        if work:
            store.discard(work)


def preview_save(store: Store, image: Image) -> tuple[Digest, int]:
    """The digest of the manifest that :func:`save_images` would write, and the bytes of the layers and documents."""
    (saved,) = _saved(store, [image], None, "docker-archive")
    return saved.digest, sum(piece.item.size for piece in saved.layers.values()) + len(saved.config) + len(
        saved.manifest
    )


def _writer(path: str, form: str) -> AbstractContextManager[Writer]:
    if form == "oci":
        return folder_writer(path, ("oci-layout", "index.json"))
    return folder_writer(path, ("version", "manifest.json")) if form == "dir" else tar_writer(path)


def _write_layout(
    store: Store, saved: Sequence[_Saved], writer: Writer, form: str, path: str, progress: Progress
) -> None:
    for name in ("blobs", _BLOBS):
        writer.folder(name)
    others = _others(path, {name for each in saved for name in each.names}) if form == "oci" else []
    _put(writer, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    written: set[Digest] = set()
    for each in saved:
        for piece in each.layers.values():
            digest, size = piece.item.digest, piece.item.size
            if digest not in written:
                progress(Event(digest.short, "saving", 0, size))
                writer.add(f"{_BLOBS}/{digest.hex}", size, _content(store, each.image, piece), once=True)
                progress(Event(digest.short, "done", size, size))
            written.add(digest)
        for document in (each.config, each.manifest):
            if Digest.of(document) not in written:
                _put(writer, f"{_BLOBS}/{Digest.of(document).hex}", document)
            written.add(Digest.of(document))
    _put(writer, "index.json", _index(saved, others))
    if form == "docker-archive":
        _put(writer, "manifest.json", _docker_list(saved))


def _write_dir(store: Store, saved: _Saved, writer: Writer, progress: Progress) -> None:
    _put(writer, "version", b"Directory Transport Version: 1.1\n")
    for piece in saved.layers.values():
        digest, size = piece.item.digest, piece.item.size
        progress(Event(digest.short, "saving", 0, size))
        writer.add(digest.hex, size, _content(store, saved.image, piece), once=True)
        progress(Event(digest.short, "done", size, size))
    _put(writer, Digest.of(saved.config).hex, saved.config)
    _put(writer, "manifest.json", saved.manifest)


def _put(writer: Writer, name: str, data: bytes) -> None:
    writer.add(name, len(data), [data])


def _saved(
    store: Store, images: Sequence[Image], name: str | None, form: str, compression: str = "", work: str = ""
) -> list[_Saved]:
    """Each image once, with all names by which it was asked for."""
    found: dict[Digest, _Saved] = {}
    pieces: dict[Digest, _Piece] = {}
    for image in images:
        config = store.read_blob(image.manifest.config.digest)
        for layer in image.layers:
            if layer.meta.diff_id not in pieces:
                pieces[layer.meta.diff_id] = _piece(store, image, layer, compression, work)
        layers = {layer.meta.diff_id: pieces[layer.meta.diff_id] for layer in image.layers}
        manifest = _manifest(image, config, layers)
        names = _names(image) if name is None else _given(name, form)
        before = found.get(Digest.of(manifest))
        if before is not None:
            names = tuple(dict.fromkeys((*before.names, *names)))
        found[Digest.of(manifest)] = _Saved(image, config, manifest, layers, names)
    return list(found.values())


def _piece(store: Store, image: Image, layer: Layer, compression: str, work: str) -> _Piece:
    if not compression:
        return _Piece(layer, Descriptor(_TAR, layer.meta.diff_id, _tar_size(store, image, layer)))
    path = f"{work}/{layer.meta.diff_id.hex}"
    tar = rebuild(layer) if layer.meta.rebuildable else _kept(store, image, layer)
    return _Piece(layer, compressed(tar, path, compression), path)


def _tar_size(store: Store, image: Image, layer: Layer) -> int:
    """The bytes of the layer's tar, which must be known before its first one is written."""
    if layer.meta.rebuildable:
        return tar_size(layer)
    return sum(map(len, _kept(store, image, layer)))


def _content(store: Store, image: Image, piece: _Piece) -> Iterator[bytes]:
    if piece.path:
        return _file(piece.path)
    return rebuild(piece.layer) if piece.layer.meta.rebuildable else _kept(store, image, piece.layer)


def _file(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            yield chunk


def _kept(store: Store, image: Image, layer: Layer) -> Iterator[bytes]:
    item = image.manifest.layers[image.layers.index(layer)]
    path = store.blob_path(item.digest)
    if path is None:
        raise ImageError(
            f"layer '{layer.meta.diff_id.short}' cannot be given back",
            why="its tree alone does not say what its tar was",
            hint="pull the image again",
        )
    with open(path, "rb", buffering=0) as file:
        yield from decoded(file, f"layer {item.digest.short}")


def _manifest(image: Image, config: bytes, layers: dict[Digest, _Piece]) -> bytes:
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [
                {"mediaType": item.media_type, "digest": str(item.digest), "size": item.size}
                for item in (layers[digest].item for digest in image.config.rootfs.diff_ids)
            ],
        }
    )


def _names(image: Image) -> tuple[str, ...]:
    """The reference by which the image was asked for, if it is a name."""
    try:
        found = Reference.parse(image.reference)
    except InvalidName:
        return ()
    return (str(found),) if found.tag and found.digest is None else ()


def _given(name: str, form: str) -> tuple[str, ...]:
    """A name as asked for; only Docker's list wants it to be an image's."""
    if not name:
        return ()
    return (str(Reference.parse(name)),) if form == "docker-archive" else (name,)


def _others(path: str, names: set[str]) -> list[dict[str, object]]:
    """What an OCI layout that is there lists besides what is written now."""
    layout = FolderLayout(path)
    if not layout.has("index.json"):
        return []
    try:
        listed = msgspec.json.decode(layout.read("index.json"), type=dict[str, object]).get("manifests") or []
    except msgspec.DecodeError as error:
        raise ImageError(f"'{path}' cannot be added to", why=f"its 'index.json': {error}") from None
    tags = names | {tag for name in names for tag in _annotations(name).values()}
    kept = []
    for item in listed if isinstance(listed, list) else []:
        known = item.get("annotations") if isinstance(item, dict) else None
        if not (isinstance(known, dict) and tags & set(known.values())):
            kept.append(item)
    return kept


def _index(saved: Sequence[_Saved], others: list[dict[str, object]]) -> bytes:
    tags = [_annotations(name)[_REF_NAME] for each in saved for name in each.names]
    listed: list[dict[str, object]] = list(others)
    for each in saved:
        plain: dict[str, object] = {
            "mediaType": OCI_MANIFEST,
            "digest": str(each.digest),
            "size": len(each.manifest),
        }
        for name in each.names:
            known = _annotations(name)
            if tags.count(known[_REF_NAME]) > 1:  # who asks for the tag alone could mean several
                known[_REF_NAME] = name
            listed.append({**plain, "annotations": known})
        if not each.names:
            listed.append(plain)
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})


_REF_NAME = "org.opencontainers.image.ref.name"


def _annotations(name: str) -> dict[str, str]:
    """An image's whole name and its tag, as containerd and Docker note them; any other text is the tag."""
    try:
        found = Reference.parse(name) if "/" in name else None
    except InvalidName:
        found = None
    if found is None or not found.tag:
        return {_REF_NAME: name}
    return {"io.containerd.image.name": str(found), _REF_NAME: found.tag}


def _docker_list(saved: Sequence[_Saved]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "Config": f"{_BLOBS}/{Digest.of(each.config).hex}",
                "RepoTags": [Reference.parse(name).familiar for name in each.names] or None,
                "Layers": [
                    f"{_BLOBS}/{each.layers[digest].item.digest.hex}" for digest in each.image.config.rootfs.diff_ids
                ],
            }
            for each in saved
        ]
    )
