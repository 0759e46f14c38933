"""An image of layers that are in the store: its configuration and manifest are written, then its record, then names.

The manifest names a layer that was made here by its uncompressed tar: then the image's digest depends on no compressor,
and is the same on every machine. Layers of a base image keep what its manifest says of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import ImageError, NotFound
from wherry.base.reference import Reference
from wherry.image.local import open_by_digest
from wherry.image.making.blobs import layer_type
from wherry.image.making.values import MadeLayer
from wherry.image.model import OCI_CONFIG, OCI_MANIFEST, Descriptor, ImageConfig, read_manifest
from wherry.image.recording import record_image
from wherry.image.table import tar_size
from wherry.store import Layer, Name

if TYPE_CHECKING:
    from wherry.image.local import Image
    from wherry.store import Store

__all__ = ["config_document", "make_image"]


def make_image(
    store: Store,
    names: Reference | Sequence[Reference] | None,
    config: ImageConfig | Mapping[str, object],
    layers: Sequence[MadeLayer | Layer],
    *,
    base: Image | None = None,
    annotations: Mapping[str, str] | None = None,
    compressed: bool = False,
) -> Image:
    """Write the image of ``layers`` (all of them, bottom first) and give it its names. Idempotent.

    ``config`` is the configuration, as a value or as the document; what it says of the root file system is replaced.
    ``base`` is the image whose manifest describes the layers that are its own. ``compressed``: name the blobs of layers
    that have one, not their tars. Raises :class:`ImageError` for what is no configuration, :class:`StoreError`.
    """
    given = [names] if isinstance(names, Reference) else list(names or ())
    known = dict(zip((layer.key for layer in base.layers), base.manifest.layers, strict=True)) if base else {}
    plain = tuple(each.layer if isinstance(each, MadeLayer) else each for each in layers)
    if not plain:
        raise ImageError("an image without layers cannot be run", hint="add a file: COPY or RUN")
    descriptors = [_described(each, known, compressed) for each in layers]
    document = dict(config_document(config) if isinstance(config, ImageConfig) else config)
    document["rootfs"] = {"type": "layers", "diff_ids": [str(layer.meta.diff_id) for layer in plain]}
    config_data = msgspec.json.encode(document, order="deterministic")
    data = _manifest(config_data, descriptors, annotations or {})
    subject = str(given[0]) if given else str(Digest.of(data))
    held = _held(store, Digest.of(data), subject, plain)
    image = held or record_image(
        store, subject, (data, None), read_manifest(data, OCI_MANIFEST, subject), config_data, plain
    )
    for name in given:
        store.set_name(name, Name(image.digest))
    return image


def _held(store: Store, digest: Digest, subject: str, layers: tuple[Layer, ...]) -> Image | None:
    """The image where it is there already: nothing is written then, and nothing has to be synced."""
    if store.image_record(digest) is None:
        return None
    try:
        image = open_by_digest(store, digest, subject)
    except NotFound:
        return None
    store.touch_image(digest)
    return image if image.layers == layers else None


def _described(each: MadeLayer | Layer, known: Mapping[str, Descriptor], compressed: bool) -> Descriptor:
    layer = each.layer if isinstance(each, MadeLayer) else each
    if layer.key in known:
        return msgspec.structs.replace(known[layer.key], media_type=_oci(known[layer.key].media_type))
    if isinstance(each, MadeLayer):
        if compressed and each.blob is not None:
            return each.blob
        return Descriptor(layer_type(""), each.diff_id, each.size)
    if not layer.meta.rebuildable:
        raise ImageError(
            f"layer '{layer.meta.diff_id.short}' cannot be named", why="its tree alone does not say what its tar was"
        )
    return Descriptor(layer_type(""), layer.meta.diff_id, tar_size(layer))


_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def _oci(media_type: str) -> str:
    """Docker's names of the same bytes belong into Docker's manifests."""
    if not media_type.startswith(_DOCKER_LAYER):
        return media_type
    return layer_type(media_type.removeprefix(_DOCKER_LAYER).lstrip(".+"))


def _manifest(config: bytes, layers: Sequence[Descriptor], annotations: Mapping[str, str]) -> bytes:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
        "layers": [
            {
                "mediaType": item.media_type,
                "digest": str(item.digest),
                "size": item.size,
                **({"annotations": dict(sorted(item.annotations.items()))} if item.annotations else {}),
            }
            for item in layers
        ],
    }
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    return msgspec.json.encode(document)


def config_document(config: ImageConfig) -> dict[str, object]:
    """The configuration as OCI writes it; what is not said is left out."""
    inner = config.config
    container: dict[str, object] = {
        "User": inner.user,
        "ExposedPorts": {port: {} for port in inner.exposed_ports},
        "Env": list(inner.env),
        "Entrypoint": list(inner.entrypoint),
        "Cmd": list(inner.cmd),
        "Volumes": {volume: {} for volume in inner.volumes},
        "WorkingDir": inner.working_dir,
        "Labels": dict(inner.labels),
        "StopSignal": inner.stop_signal,
        "Shell": list(inner.shell),
        "Healthcheck": dict(inner.healthcheck),
        "OnBuild": list(inner.on_build),
    }
    document: dict[str, object] = {
        "created": config.created,
        "author": config.author,
        "architecture": config.architecture,
        "os": config.os,
        "variant": config.variant,
        "history": [
            {key: value for key, value in msgspec.structs.asdict(entry).items() if value} for entry in config.history
        ],
    }
    found = {key: value for key, value in document.items() if value}
    return {**found, "config": {key: value for key, value in container.items() if value}}
