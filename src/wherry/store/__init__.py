"""The store: immutable objects on disk, named by digest, for many processes at once, also on network file systems.

Words: a *blob* is a small file named by its digest; a *layer* is an unpacked tree with its table; a *name* leads from
a reference to a digest; an *image record* says which blobs and layers belong together; a *lease* says that a node may
be using an image; a *flight* lets one process fetch while the others wait. The store does not know what an image is:
it is told which digests belong together and keeps them together. It may import only ``wherry.base``.

On-disk format, invariants and write order: ``docs/design/store.md``. Looking up a name and its layers is on the path
of every start, so what collects, waits and measures is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.store.store import FORMAT, Store, open_at, open_store
from wherry.store.values import MERGED, ImageRecord, Layer, LayerMeta, LayerSource, Lease, Name

if TYPE_CHECKING:
    from wherry.store.built import BuiltStep, recall_step, remember_step, touch_step
    from wherry.store.cachemounts import cache_mount
    from wherry.store.collect import PruneResult, enforce_limit, prune, prune_cache, remove_image, used_elsewhere
    from wherry.store.discard import left_over
    from wherry.store.disk import Usage, usage
    from wherry.store.evicting import CacheRule, is_cache_within
    from wherry.store.flight import Timing
    from wherry.store.holds import Hold, holding
    from wherry.store.listing import Listed, listed
    from wherry.store.space import Space, human, measure, require, suggestion

__all__ = [
    "FORMAT",
    "MERGED",
    "BuiltStep",
    "CacheRule",
    "Hold",
    "ImageRecord",
    "Layer",
    "LayerMeta",
    "LayerSource",
    "Lease",
    "Listed",
    "Name",
    "PruneResult",
    "Space",
    "Store",
    "Timing",
    "Usage",
    "cache_mount",
    "enforce_limit",
    "holding",
    "human",
    "is_cache_within",
    "left_over",
    "listed",
    "measure",
    "open_at",
    "open_store",
    "prune",
    "prune_cache",
    "recall_step",
    "remember_step",
    "remove_image",
    "require",
    "suggestion",
    "touch_step",
    "usage",
    "used_elsewhere",
]

_LATER = {
    "PruneResult": "collect",
    "enforce_limit": "collect",
    "prune": "collect",
    "prune_cache": "collect",
    "BuiltStep": "built",
    "recall_step": "built",
    "remember_step": "built",
    "touch_step": "built",
    "cache_mount": "cachemounts",
    "CacheRule": "evicting",
    "is_cache_within": "evicting",
    "Hold": "holds",
    "holding": "holds",
    "remove_image": "collect",
    "Listed": "listing",
    "left_over": "discard",
    "listed": "listing",
    "Timing": "flight",
    "Space": "space",
    "human": "space",
    "measure": "space",
    "require": "space",
    "suggestion": "space",
    "Usage": "disk",
    "usage": "disk",
    "used_elsewhere": "collect",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'wherry.store' has no attribute '{name}'")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"wherry.store.{_LATER[name]}"), name)
    return found
