"""The cache of one build: with what other machines left, brought to where the user says, kept below its limit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wherry.base.errors import StoreError
from wherry.base.progress import Progress, silent
from wherry.build.cache.steps import Cache

if TYPE_CHECKING:
    from wherry.build.cache.places import CachePlace
    from wherry.containers import World

__all__ = ["build_cache", "inline_member"]


@contextmanager
def build_cache(
    world: World,
    cache_from: tuple[str, ...] = (),
    cache_to: tuple[str, ...] = (),
    progress: Progress = silent,
) -> Iterator[Cache]:
    """A cache for the time of a build; what it finds or makes stays until the block ends. After one that ends well it
    is sent to ``cache_to``, and what is too much is removed.

    Raises :class:`UsageError` for an option that cannot be read, and what sending raises; a place that cannot be read
    is told to ``progress``, and has nothing.
    """
    sources, targets = _places(cache_from, cache_to) if cache_from or cache_to else ([], [])
    with contextlib.ExitStack() as stack:
        remotes = []
        if sources:
            from wherry.build.cache.remote import open_remote

            remotes = [stack.enter_context(open_remote(world, place, progress)) for place in sources]
        cache = Cache(world.store, progress=progress, remotes=tuple(remotes))
        with cache.hold():
            yield cache
            for place in targets:
                if place.type != "inline":
                    from wherry.build.cache.sending import send_cache

                    send_cache(world, cache, place, progress)
    if cache.has_made:
        from wherry.containers import cache_rule
        from wherry.store import is_cache_within

        with contextlib.suppress(StoreError):  # the build is done; the next one, or 'prune', will tell
            rule = cache_rule(world)
            if not is_cache_within(world.store, rule):
                from wherry.store import prune_cache

                prune_cache(world.store, rule)


def inline_member(cache: Cache, cache_to: tuple[str, ...]) -> dict[str, Any]:
    """What an image's configuration says of its own steps: nothing unless it is asked for (``type=inline``)."""
    if not any("inline" in text for text in cache_to):
        return {}
    _, targets = _places((), cache_to)
    if all(place.type != "inline" for place in targets):
        return {}
    from wherry.build.cache.places import INLINE
    from wherry.build.cache.sending import inline_document

    return {INLINE: inline_document(cache.used, cache.result)}


def _places(cache_from: tuple[str, ...], cache_to: tuple[str, ...]) -> tuple[list[CachePlace], list[CachePlace]]:
    from wherry.build.cache.places import parse_cache_option

    return (
        [parse_cache_option("--cache-from", text) for text in cache_from],
        [parse_cache_option("--cache-to", text) for text in cache_to],
    )
