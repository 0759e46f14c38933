"""What the store takes on disk, for ``wherry df``, without walking a tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.store.marks import marks, own_records
from wherry.store.sweeping import folder_bytes

if TYPE_CHECKING:
    from wherry.store.store import Store

__all__ = ["Usage", "usage"]


class Usage(msgspec.Struct, frozen=True):
    """Counts, and bytes (about: layers by their recorded sizes). ``reclaimable`` is what no image and no container
    needs; ``partial`` interrupted downloads; ``free`` what may still be written; ``total`` all but containers' own
    layers, which their room knows. ``steps`` and cache ``mounts`` are what builds left: ``cache_size`` is the bytes of
    the mounts, ``mounts_size``, and of the layers that nothing but a step names (these are in ``layers_size`` too)."""

    path: str
    images: int
    layers: int
    layers_size: int
    blobs: int
    blobs_size: int
    flat: int
    flat_size: int
    partial: int
    partial_size: int
    unfinished: int
    reclaimable: int
    free: int
    quota_used: int
    quota_limit: int
    steps: int = 0
    mounts: int = 0
    mounts_size: int = 0
    cache_size: int = 0

    @property
    def total(self) -> int:
        return self.layers_size + self.blobs_size + self.flat_size + self.partial_size + self.mounts_size


def usage(store: Store) -> Usage:
    """Measure. Raises :class:`StoreError`."""
    from wherry.store.evicting import cached
    from wherry.store.faults import reported
    from wherry.store.space import measure

    with reported("measure", store.path):
        marked = marks(store)
        layers = _sizes(store, "layers", "layers")
        flat = _sizes(store, "flat", "flat")
        blobs = _sizes(store, "blobs", "blobs/sha256") | _sizes(store, "blobs", "blobs/sha512")
        partial = _sizes(store, "blobs", "partial")
        space = measure(store.path)
        left = cached(store)
        return Usage(
            path=store.path,
            images=len(own_records(store)),
            layers=len(layers),
            layers_size=sum(layers.values()),
            blobs=len(blobs),
            blobs_size=sum(blobs.values()),
            flat=len(flat),
            flat_size=sum(flat.values()),
            partial=len(partial),
            partial_size=sum(partial.values()),
            unfinished=len(_list(f"{store.path}/tmp")),
            reclaimable=_unmarked(layers, marked.layers)
            + _unmarked(blobs, marked.blobs)
            + _unmarked(flat, marked.chains),
            free=space.free,
            quota_used=space.quota.used if space.quota else 0,
            quota_limit=space.quota.limit if space.quota else 0,
            steps=len(left.steps),
            mounts=len(left.mounts),
            mounts_size=sum(mount.size for mount in left.mounts),
            cache_size=left.size,
        )


def _sizes(store: Store, kind: str, folder: str) -> dict[str, int]:
    return {name: folder_bytes(kind, f"{store.path}/{folder}/{name}") for name in _list(f"{store.path}/{folder}")}


def _unmarked(sizes: dict[str, int], marked: frozenset[str]) -> int:
    return sum(size for name, size in sizes.items() if name not in marked)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
