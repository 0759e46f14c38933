"""Images by the digest of their configuration, which Docker calls an image's ID.

Wherry's own name for an image is its manifest's digest: two manifests may have one configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import Conflict

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.containers.world import World
    from wherry.store import ImageRecord

__all__ = ["config_id", "image_by_config"]

_HEX = frozenset("0123456789abcdef")
_LEAST = 4
"""Digits; fewer are a name."""


def config_id(record: ImageRecord) -> Digest:
    """The digest of the image's configuration: the first blob that an image needs beside its manifest."""
    return record.blobs[0] if record.blobs else record.digest


def image_by_config(world: World, text: str) -> Digest | None:
    """The manifest's digest of the image whose configuration's digest begins so; None when there is none.

    Of several manifests with one configuration the smallest digest; raises :class:`Conflict` for several images.
    """
    digits = text.removeprefix("sha256:")
    if not (_LEAST <= len(digits) <= 64 and _HEX.issuperset(digits)):
        return None
    fitting = [record for record in world.store.image_records() if config_id(record).hex.startswith(digits)]
    ids = {config_id(record) for record in fitting}
    if len(ids) > 1:
        shown = ", ".join(sorted(digest.short for digest in ids)[:4])
        raise Conflict(f"'{text}' begins the IDs of {len(ids)} images", why=shown, hint="give more digits")
    return min((record.digest for record in fitting), key=str, default=None)
