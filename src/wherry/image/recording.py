"""The record of an image whose layers are in the store: what belongs together, and stays while the record exists."""

from __future__ import annotations

from datetime import UTC, datetime

from wherry.base.errors import StoreError
from wherry.image.local import Image
from wherry.image.model import Manifest, read_config
from wherry.store import ImageRecord, Layer, Store

__all__ = ["record_image"]

_TRIES = 5


def record_image(
    store: Store,
    reference: str,
    documents: tuple[bytes, bytes | None],
    manifest: Manifest,
    config_data: bytes,
    layers: tuple[Layer, ...],
) -> Image:
    """Put the blobs and the record of an image whose layers are in the store; ``documents``: manifest and index.

    Somebody who collects may take the documents before the record names them: they are put again then.
    """
    config = read_config(config_data, manifest, reference)
    for left in reversed(range(_TRIES)):
        put = [store.put_blob(data) for data in (documents[0], config_data, documents[1]) if data is not None]
        digest, *blobs = (*put, *(item.digest for item in manifest.layers if store.has_blob(item.digest)))
        record = ImageRecord(
            digest=digest,
            size=sum(layer.meta.size for layer in {layer.key: layer for layer in layers}.values()),
            layers=tuple(layer.key for layer in layers),
            created=config.created,
            pulled=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            blobs=tuple(dict.fromkeys(blobs)),
            reference=reference if "@" in reference else "",
        )
        try:
            store.put_image_record(record)
            break
        except StoreError:
            if not left or all(store.has_blob(blob) for blob in put):
                raise
    return Image(reference, digest, manifest.media_type, manifest, config, layers)
