"""Images into one file that Docker, Podman, skopeo and Wherry read: an OCI layout with docker-archive's list in it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import ImageError, StoreFull, reason, remedy
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.decode import decoded
from wherry.image.local import Image
from wherry.image.model import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from wherry.image.table import read_frames, rebuild
from wherry.store import Layer, Store

__all__ = ["preview_save", "save_file"]

_TAR = "application/vnd.oci.image.layer.v1.tar"


def save_file(store: Store, image: Image, path: str, *, progress: Progress = silent) -> Digest:
    """Write ``image`` to ``path`` (a pipe will do) and return the digest of the manifest in it.

    Layers are written uncompressed, exactly as they were made, so the digest is another than the registry's; the same
    image gives the same file. Raises :class:`ImageError` when a layer cannot be given back or the file not be written.
    """
    config, manifest, layers = _parts(store, image)
    names = _names(image)
    try:
        with open(path, "wb", buffering=1 << 20) as file, tarfile.open(fileobj=file, mode="w|") as archive:
            for name in ("blobs", "blobs/sha256"):
                archive.addfile(_folder(name))
            _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            for digest, (layer, size) in layers.items():
                progress(Event(digest.short, "saving", 0, size))
                stream = _Stream(_content(store, image, layer))
                archive.addfile(_header(f"blobs/sha256/{digest.hex}", size), stream)
                progress(Event(digest.short, "done", size, size))
            _add(archive, f"blobs/sha256/{Digest.of(config).hex}", config)
            _add(archive, f"blobs/sha256/{Digest.of(manifest).hex}", manifest)
            _add(archive, "index.json", _index(manifest, names))
            _add(archive, "manifest.json", _docker_list(image, config, names))
    except BrokenPipeError:
        raise  # who reads has enough: no error of ours
    except OSError as error:
        kind = StoreFull if error.errno in (28, 122) else ImageError
        raise kind(f"'{path}' cannot be written", why=reason(error), hint=remedy(error, write=True)) from error
    return Digest.of(manifest)


def preview_save(store: Store, image: Image) -> tuple[Digest, int]:
    """The digest of the manifest that :func:`save_file` would write, and the bytes of the layers and documents."""
    config, manifest, layers = _parts(store, image)
    return Digest.of(manifest), sum(size for _, size in layers.values()) + len(config) + len(manifest)


def _parts(store: Store, image: Image) -> tuple[bytes, bytes, dict[Digest, tuple[Layer, int]]]:
    """Configuration, manifest, and each layer with its tar's size."""
    config = store.read_blob(image.manifest.config.digest)
    layers = {layer.meta.diff_id: (layer, _tar_size(store, image, layer)) for layer in image.layers}
    return config, _manifest(image, config, {digest: size for digest, (_, size) in layers.items()}), layers


def _tar_size(store: Store, image: Image, layer: Layer) -> int:
    """The bytes of the layer's tar, which must be known before its first one is written."""
    if layer.meta.rebuildable:
        return sum(len(frame.raw) + frame.elided for frame in read_frames(layer.table))
    return sum(map(len, _kept(store, image, layer)))


def _content(store: Store, image: Image, layer: Layer) -> Iterator[bytes]:
    return rebuild(layer) if layer.meta.rebuildable else _kept(store, image, layer)


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


def _manifest(image: Image, config: bytes, sizes: dict[Digest, int]) -> bytes:
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [
                {"mediaType": _TAR, "digest": str(digest), "size": sizes[digest]}
                for digest in image.config.rootfs.diff_ids
            ],
        }
    )


def _names(image: Image) -> list[Reference]:
    """The reference by which the image was asked for, if it is a name."""
    from wherry.base.errors import InvalidName

    try:
        found = Reference.parse(image.reference)
    except InvalidName:
        return []
    return [found] if found.tag else []


def _index(manifest: bytes, names: list[Reference]) -> bytes:
    descriptor: dict[str, object] = {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(manifest)),
        "size": len(manifest),
    }
    if names:
        descriptor["annotations"] = {
            "io.containerd.image.name": str(names[0]),
            "org.opencontainers.image.ref.name": names[0].tag,
        }
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]})


def _docker_list(image: Image, config: bytes, names: list[Reference]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "Config": f"blobs/sha256/{Digest.of(config).hex}",
                "RepoTags": [name.familiar for name in names] or None,
                "Layers": [f"blobs/sha256/{digest.hex}" for digest in image.config.rootfs.diff_ids],
            }
        ]
    )


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_header(name, len(data)), io.BytesIO(data))


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o644
    return header


def _folder(name: str) -> tarfile.TarInfo:
    """Named, because skopeo cannot make up folders of its own without root."""
    header = tarfile.TarInfo(name)
    header.type = tarfile.DIRTYPE
    header.mode = 0o755
    return header


class _Stream(io.RawIOBase):
    """An iterator of chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        pieces = []
        while size:
            if not self._left:
                self._left = memoryview(next(self._chunks, b""))
                if not self._left:
                    break
            piece = self._left[:size] if size > 0 else self._left
            self._left = self._left[len(piece) :]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
