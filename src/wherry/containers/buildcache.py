"""How much builds may leave in the store: the settings ``build.cache_limit`` and ``build.cache_days``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.store import CacheRule

__all__ = ["cache_rule"]

_DAY = 86400.0
_MOST = 20 << 30
_PART = 10


def cache_rule(world: World) -> CacheRule:
    """What the user (or the site) says; else a part of what the store's disk, or the user's quota there, holds."""
    from wherry.store import CacheRule

    limit = world.settings.number("build.cache_limit")
    if not world.settings.text("build.cache_limit"):
        limit = _usual_limit(world.store.path)
    return CacheRule(limit, world.settings.number("build.cache_days") * _DAY)


def _usual_limit(path: str) -> int:
    from wherry.store import measure

    try:
        found = os.statvfs(path)
        quota = measure(path).quota
    except OSError:
        return _MOST
    size = found.f_blocks * found.f_frsize
    if quota is not None and quota.limit:
        size = min(size, quota.limit)
    return max(1, min(_MOST, size // _PART))
