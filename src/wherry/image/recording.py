"""The record of an image whose layers are in the store: what belongs together, and stays while the record exists."""

from __future__ import annotations

from datetime import UTC, datetime

from wherry.image.local import Image
from wherry.image.model import Manifest, read_config
from wherry.store import ImageRecord, Layer, Store

__all__ = ["record_image"]


def record_image(
    store: Store,
    reference: str,
    documents: tuple[bytes, bytes | None],
    manifest: Manifest,
    config_data: bytes,
    layers: tuple[Layer, ...],
) -> Image:
    """Put the blobs and the record of an image whose layers are in the store; ``documents``: manifest and index."""
    digest = store.put_blob(documents[0])
    blobs = [store.put_blob(config_data)]
    if documents[1] is not None:
        blobs.append(store.put_blob(documents[1]))
    blobs += [item.digest for item in manifest.layers if store.has_blob(item.digest)]
    config = read_config(config_data, manifest, reference)
    record = ImageRecord(
        digest=digest,
        size=sum(layer.meta.size for layer in {layer.key: layer for layer in layers}.values()),
        layers=tuple(layer.key for layer in layers),
        created=config.created,
        pulled=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        blobs=tuple(dict.fromkeys(blobs)),
        reference=reference if "@" in reference else "",
    )
    store.put_image_record(record)
    return Image(reference, digest, manifest.media_type, manifest, config, layers)
