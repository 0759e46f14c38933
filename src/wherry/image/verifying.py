"""Reading all of an image that is held, and comparing it with its digests."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, ImageError
from wherry.image.local import Image
from wherry.image.table import rebuild
from wherry.store import Layer, Store

__all__ = ["verify_image"]


def verify_image(store: Store, image: Image) -> Iterator[tuple[Digest, bool | None]]:
    """Each document and layer with whether it is what its digest says; None: it was flattened, so nobody can tell."""
    for digest in (image.digest, image.manifest.config.digest):
        hasher = digest.hasher()
        hasher.update(store.read_blob(digest))
        yield digest, hasher.digest() == digest
    for layer in image.layers:
        yield layer.meta.diff_id, _is_whole(layer) if layer.meta.rebuildable else None


def _is_whole(layer: Layer) -> bool:
    try:
        for _ in rebuild(layer):
            continue
    except (DigestMismatch, ImageError, OSError):
        return False
    return True
