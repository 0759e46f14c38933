"""Pushing: what the registry has is not sent; what it has elsewhere is mounted; else the layer is taken from where it
came, from the store if it was kept, or made again from its tree and table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import Protocol

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import RegistryError, WherryError
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.faults import threads_needed
from wherry.image.local import Image, open_image
from wherry.image.model import Descriptor
from wherry.image.table import rebuild
from wherry.registry import Registry
from wherry.store import Layer, Store

__all__ = ["push"]

_PARALLEL = 3
_CHUNK = 1 << 20


def push(
    store: Store, registry: Registry, ref: Reference, *, image: Image | None = None, progress: Progress = silent
) -> Digest:
    """Send an image (default: the one that ``ref`` names here) and return the digest that the registry has now.

    That is the image's own digest, unless a layer had to be compressed anew; then ``progress`` is told so. Idempotent.
    Raises :class:`NotFound`, :class:`RegistryError`, and :class:`DigestMismatch` when the store was tampered with.
    """
    image = image or open_image(store, str(ref))
    with threads_needed(f"push '{ref.familiar}'"):
        return _push_image(store, registry, ref, image, progress)


def _push_image(store: Store, registry: Registry, ref: Reference, image: Image, progress: Progress) -> Digest:
    data = store.read_blob(image.digest)
    config = image.manifest.config
    pairs = {item.digest: (item, layer) for item, layer in zip(image.manifest.layers, image.layers, strict=True)}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="push") as pool:
        jobs = [pool.submit(_push_layer, store, registry, ref, item, layer, progress) for item, layer in pairs.values()]
        sent = dict(zip(pairs, (job.result() for job in jobs), strict=True))
    content = store.read_blob(config.digest)
    registry.push_blob(ref, config.digest, config.size, lambda: [content])
    changed = {old: new for old, new in sent.items() if new.digest != old}
    if changed:
        data = _with_layers(data, changed)
        short = ", ".join(digest.short for digest in changed)
        message = f"layer {short} was compressed anew, so the image's digest is {Digest.of(data)} there"
        progress(Event(ref.familiar, "pushing", message=message))
    digest = registry.put_manifest(ref, image.media_type, data)
    progress(Event(ref.familiar, "done", message=str(digest)))
    return digest


class _SourceFailed(WherryError):
    """The bytes could not be had from where they came."""


def _push_layer(
    store: Store, registry: Registry, ref: Reference, item: Descriptor, layer: Layer, progress: Progress
) -> Descriptor:
    """Bring the layer there; its descriptor, another one if it had to be compressed anew."""
    name = item.digest.short
    progress(Event(name, "pushing", 0, item.size))
    sources = [source.repository.split("/", 1) for source in layer.meta.sources if source.digest == item.digest]
    mounts = tuple(repository for host, repository in sources if host == ref.registry and repository != ref.repository)
    try:
        stage = registry.push_blob(
            ref,
            item.digest,
            item.size,
            lambda: _counted(_same_bytes(store, registry, item, layer), item, progress),
            mount_from=mounts,
        )
    except _SourceFailed as error:
        return _push_anew(store, registry, ref, item, layer, progress, error)
    progress(Event(name, "exists" if stage == "exists" else "done", item.size, item.size, stage))
    return item


def _same_bytes(store: Store, registry: Registry, item: Descriptor, layer: Layer) -> Iterator[bytes]:
    """The very bytes of the blob; raises :class:`_SourceFailed` when nobody has them."""
    kept = store.blob_path(item.digest)
    if kept is not None:
        with open(kept, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        return
    if item.digest == layer.meta.diff_id and layer.meta.rebuildable:
        yield from rebuild(layer)
        return
    failure = "it was compressed, and where it came from is not known"
    for source in layer.meta.sources:
        if source.digest != item.digest:
            continue
        host, repository = source.repository.split("/", 1)
        given = False
        try:
            with registry.open_blob(Reference(host, repository), item.digest, item.size) as stream:
                for chunk in stream:
                    given = True
                    yield chunk
            return
        except RegistryError as error:
            failure = f"'{source.repository}' no longer gives it: {error}"
            if given:
                break  # half of it is sent already: another source would have to begin anew
    raise _SourceFailed(f"layer '{item.digest.short}' cannot be had", why=failure)


def _push_anew(
    store: Store,
    registry: Registry,
    ref: Reference,
    item: Descriptor,
    layer: Layer,
    progress: Progress,
    cause: _SourceFailed,
) -> Descriptor:
    if not layer.meta.rebuildable:
        raise RegistryError(
            f"layer '{item.digest.short}' cannot be pushed",
            why=f"{cause.why}; its tree alone does not give it back",
            hint="pull the image again with 'store.keep_blobs = true' in the settings",
        )
    work = store.new_work()
    try:
        path = f"{work}/layer.gz"
        digest, size = _compress(layer, path)
        made = msgspec.structs.replace(item, digest=digest, size=size, media_type=_gzip_type(item.media_type))
        registry.push_blob(ref, digest, size, lambda: _counted(_file(path), made, progress))
    finally:
        store.discard(work)
    progress(Event(item.digest.short, "done", size, size, "compressed anew"))
    return made


def _compress(layer: Layer, path: str) -> tuple[Digest, int]:
    compressor = _compressor()
    hasher = Hasher()
    size = 0
    with FileIO(path, "xb") as file:
        for chunk in rebuild(layer):
            size += _write(file, hasher, compressor.compress(chunk))
        size += _write(file, hasher, compressor.flush())
    return hasher.digest(), size


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _compressor() -> _Compressor:
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return zlib.compressobj(6, wbits=31)
    return isal_zlib.compressobj(3, wbits=31)


def _write(file: FileIO, hasher: Hasher, data: bytes) -> int:
    hasher.update(data)
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    return len(data)


def _file(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _counted(chunks: Iterable[bytes], item: Descriptor, progress: Progress) -> Iterator[bytes]:
    position = 0
    for chunk in chunks:
        yield chunk
        position += len(chunk)
        progress(Event(item.digest.short, "pushing", position, item.size))


def _gzip_type(media_type: str) -> str:
    return (
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
        if media_type.startswith("application/vnd.docker.")
        else "application/vnd.oci.image.layer.v1.tar+gzip"
    )


def _with_layers(data: bytes, changed: dict[Digest, Descriptor]) -> bytes:
    """The manifest with other descriptors; what a replaced one said besides (a table of contents, URLs) is not kept."""
    document = msgspec.json.decode(data)
    for position, layer in enumerate(document["layers"]):
        new = changed.get(Digest.parse(layer["digest"]))
        if new is not None:
            document["layers"][position] = {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)
