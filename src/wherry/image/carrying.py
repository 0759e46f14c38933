"""Single layers in and out, for what carries layers and is no image: a build's cache."""

from __future__ import annotations

from collections.abc import Iterable

from wherry.base.digest import Digest
from wherry.base.progress import Progress, silent
from wherry.image.faults import threads_needed
from wherry.image.layers import LayerBytes, Wanted, bring_layers
from wherry.image.model import Descriptor, chain_ids
from wherry.image.table import rebuild
from wherry.store import Layer, Store

__all__ = ["LayerBytes", "bring_layer", "compress_layer", "compressed"]


def bring_layer(
    store: Store,
    descriptor: Descriptor,
    diff_id: Digest,
    below: tuple[Digest, ...],
    source: LayerBytes,
    progress: Progress = silent,
) -> Layer:
    """The layer, fetched unless it is here; ``below`` are the diff ids that it lies on.

    Its bytes are those of ``descriptor``, and its tar has the digest ``diff_id``: whoever says otherwise is met by
    :class:`DigestMismatch`. Raises as ``pull`` does.
    """
    chain = chain_ids(below)
    with threads_needed(f"fetch the layer '{diff_id.short}'"):
        return bring_layers(store, [Wanted(descriptor, diff_id, chain[-1] if chain else None)], source, progress)[0]


def compress_layer(layer: Layer, path: str, compression: str = "zstd") -> Descriptor:
    """Write the layer's tar, compressed, to ``path``, which must not exist. The same bytes every time."""
    return compressed(rebuild(layer), path, compression)


def compressed(tar: Iterable[bytes], path: str, compression: str) -> Descriptor:
    """The same of any tar."""
    from wherry.image.making.blobs import Blob

    blob = Blob(path, compression)
    try:
        for chunk in tar:
            blob.put(chunk)
        return blob.finish()
    finally:
        blob.stop()
