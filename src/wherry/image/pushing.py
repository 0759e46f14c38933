"""Pushing: what the registry has is not sent; what it has elsewhere is mounted; else the layer is taken from the store
if it was kept, or from a registry that has it, be it in another compression, or made again from its tree and table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import RegistryError, WherryError
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.carrying import compress_layer
from wherry.image.faults import threads_needed
from wherry.image.local import Image, open_image
from wherry.image.model import Descriptor
from wherry.image.table import rebuild
from wherry.registry import Registry
from wherry.store import Layer, LayerSource, Store

__all__ = ["preview_push", "push"]

_MOUNTS = 3
"""Repositories to mount a layer from that are tried: each that refuses leaves the registry an upload to forget."""

_CHUNK = 1 << 20


def push(
    store: Store,
    registry: Registry,
    ref: Reference,
    *,
    image: Image | None = None,
    compression: str = "",
    progress: Progress = silent,
) -> Digest:
    """Send an image (default: the one that ``ref`` names here) and return the digest that the registry has now.

    That is the image's own digest, unless a layer could only be had in another compression, or ``compression``
    (``gzip``, ``zstd``) is wanted of layers that the manifest names uncompressed; then ``progress`` is told so.
    Idempotent.
    Raises :class:`NotFound`, :class:`RegistryError`, and :class:`DigestMismatch` when the store was tampered with.
    """
    image = image or open_image(store, str(ref))
    with threads_needed(f"push '{ref.familiar}'"):
        return _push_image(store, registry, ref, image, compression, progress)


def preview_push(
    store: Store, registry: Registry, ref: Reference, *, image: Image | None = None
) -> tuple[Digest, tuple[tuple[Digest, int, bool], ...]]:
    """The digest of what :func:`push` would send, and each layer's digest, bytes, and whether the registry has it.

    Asks the registry, and changes nothing. A layer that it has in another repository may be mounted, not sent.
    """
    image = image or open_image(store, str(ref))
    parts = dict.fromkeys((item.digest, item.size) for item in (*image.manifest.layers, image.manifest.config))
    return image.digest, tuple((digest, size, registry.has_blob(ref, digest)) for digest, size in parts)


def _push_image(
    store: Store, registry: Registry, ref: Reference, image: Image, compression: str, progress: Progress
) -> Digest:
    data = store.read_blob(image.digest)
    config = image.manifest.config
    pairs = {item.digest: (item, layer) for item, layer in zip(image.manifest.layers, image.layers, strict=True)}
    with ThreadPoolExecutor(registry.parallel, thread_name_prefix="push") as pool:
        jobs = [
            pool.submit(_push_layer, store, registry, ref, item, layer, compression, progress)
            for item, layer in pairs.values()
        ]
        sent = dict(zip(pairs, (job.result() for job in jobs), strict=True))
    content = store.read_blob(config.digest)
    registry.push_blob(ref, config.digest, config.size, lambda: [content])
    changed = {old: new for old, new in sent.items() if new.digest != old}
    if changed:
        data = _with_layers(data, changed)
        short = ", ".join(digest.short for digest in changed)
        how = "goes compressed" if compression else "could only be had in another compression"
        message = f"layer {short} {how}: the image is {Digest.of(data)} there"
        progress(Event(ref.familiar, "pushing", message=message))
    digest = registry.put_manifest(ref, image.media_type, data)
    progress(Event(ref.familiar, "done", message=str(digest)))
    return digest


class _SourceFailed(WherryError):
    """The bytes could not be had from anywhere."""


def _push_layer(
    store: Store,
    registry: Registry,
    ref: Reference,
    item: Descriptor,
    layer: Layer,
    compression: str,
    progress: Progress,
) -> Descriptor:
    """Bring the layer there; its descriptor, another one if it goes in another compression."""
    progress(Event(item.digest.short, "pushing", 0, item.size))
    sources = store.sources(layer)
    others = _other_forms(sources, item, ref)
    if compression and item.digest == layer.meta.diff_id and layer.meta.rebuildable:
        known = [each for each in others if each.media_type.endswith(compression)]
        made = _send_other(store, registry, ref, known, layer, sources, progress)
        return made or _push_anew(store, registry, ref, item, layer, progress, None, compression)
    try:
        stage = _send(store, registry, ref, item, layer, sources, progress)
    except _SourceFailed as error:
        cause = error
    else:
        _remember(store, layer, ref, item, verified=False)
        progress(Event(item.digest.short, "exists" if stage == "exists" else "done", item.size, item.size, stage))
        return item
    made = _send_other(store, registry, ref, others, layer, sources, progress)
    return made or _push_anew(store, registry, ref, item, layer, progress, cause)


def _send_other(
    store: Store,
    registry: Registry,
    ref: Reference,
    others: Iterable[Descriptor],
    layer: Layer,
    sources: tuple[LayerSource, ...],
    progress: Progress,
) -> Descriptor | None:
    """Bring the layer there in the first of these compressions that can be had."""
    for other in others:
        try:
            _send(store, registry, ref, other, layer, sources, progress)
        except _SourceFailed:
            continue
        _remember(store, layer, ref, other, verified=True)
        progress(Event(other.digest.short, "done", other.size, other.size, "in another compression"))
        return other
    return None


def _send(
    store: Store,
    registry: Registry,
    ref: Reference,
    item: Descriptor,
    layer: Layer,
    sources: tuple[LayerSource, ...],
    progress: Progress,
) -> str:
    """Bring exactly these bytes there; how. Raises :class:`_SourceFailed` when nobody has them."""
    places = [source.repository for source in sources if source.digest == item.digest]
    mounts = [name.removeprefix(f"{ref.registry}/") for name in places if name.startswith(f"{ref.registry}/")]
    return registry.push_blob(
        ref,
        item.digest,
        item.size,
        lambda: _counted(_same_bytes(store, registry, item, layer, places), item, progress),
        mount_from=tuple(name for name in mounts if name != ref.repository)[:_MOUNTS],
    )


def _other_forms(sources: tuple[LayerSource, ...], item: Descriptor, ref: Reference) -> list[Descriptor]:
    """The layer in other compressions, those that the registry itself has first.

    Only what was seen to be the layer: what an image merely says would put a stranger's bytes into this one.
    """
    near = sorted(sources, key=lambda source: not source.repository.startswith(f"{ref.registry}/"))
    found: dict[Digest, Descriptor] = {}
    for source in near:
        media_type = _media_type(source.media_type, item.media_type)
        if source.verified and source.digest != item.digest and media_type:
            changes = msgspec.structs.replace(item, digest=source.digest, size=source.size, media_type=media_type)
            found.setdefault(source.digest, changes)
    return list(found.values())


def _remember(store: Store, layer: Layer, ref: Reference, item: Descriptor, *, verified: bool) -> None:
    store.remember_source(layer, LayerSource(item.digest, item.size, item.media_type, ref.name, verified))


def _same_bytes(store: Store, registry: Registry, item: Descriptor, layer: Layer, places: list[str]) -> Iterator[bytes]:
    """The very bytes of the blob; raises :class:`_SourceFailed` when nobody has them."""
    kept = store.blob_path(item.digest)
    if kept is not None:
        yield from _file(kept)
        return
    if item.digest == layer.meta.diff_id and layer.meta.rebuildable:
        yield from rebuild(layer)
        return
    failure = "it was compressed, and where it came from is not known"
    for place in places:
        host, repository = place.split("/", 1)
        given = False
        try:
            with registry.open_blob(Reference(host, repository), item.digest, item.size) as stream:
                for chunk in stream:
                    given = True
                    yield chunk
            return
        except RegistryError as error:
            failure = f"'{place}' no longer gives it: {error}"
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
    cause: _SourceFailed | None,
    compression: str = "gzip",
) -> Descriptor:
    if not layer.meta.rebuildable:
        raise RegistryError(
            f"layer '{item.digest.short}' cannot be pushed",
            why=f"{cause.why if cause else 'it is not kept'}; its tree alone does not give it back",
            hint="pull the image again with 'store.keep_blobs = true' in the settings",
        )
    work = store.new_work()
    try:
        path = f"{work}/layer"
        form = compress_layer(layer, path, compression)
        kind = _media_type(form.media_type, item.media_type)
        if not kind:  # Docker's manifests know gzip only
            path = f"{work}/layer.gz"
            form, kind = compress_layer(layer, path, "gzip"), _gzip_type(item.media_type)
        made = msgspec.structs.replace(item, digest=form.digest, size=form.size, media_type=kind)
        registry.push_blob(ref, made.digest, made.size, lambda: _counted(_file(path), made, progress))
    finally:
        store.discard(work)
    _remember(store, layer, ref, made, verified=True)
    progress(Event(item.digest.short, "done", made.size, made.size, "compressed anew"))
    return made


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


def _media_type(form: str, wanted: str) -> str:
    """The compression ``form`` in the words of ``wanted``'s family; empty where Docker's has none."""
    if form.endswith("gzip"):
        return _gzip_type(wanted)
    docker = "application/vnd.docker."
    return form if form.startswith(docker) == wanted.startswith(docker) else ""


def _with_layers(data: bytes, changed: dict[Digest, Descriptor]) -> bytes:
    """The manifest with other descriptors; what a replaced one said besides (a table of contents, URLs) is not kept."""
    document = msgspec.json.decode(data)
    for position, layer in enumerate(document["layers"]):
        new = changed.get(Digest.parse(layer["digest"]))
        if new is not None:
            document["layers"][position] = {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)
