"""Forgetting what builds left, the longest unused first: steps, whose layers then go as any that nothing names, and
cache mounts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.store.built import BuiltStep, built_steps, forget_steps
from wherry.store.cachemounts import CacheMount, cache_mounts, take_aside
from wherry.store.discard import file_system_time
from wherry.store.holds import held
from wherry.store.marks import marks
from wherry.store.sweeping import folder_bytes

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.store.store import Store

__all__ = ["CacheRule", "Cached", "cached", "choose", "evict", "is_cache_within"]


class CacheRule(msgspec.Struct, frozen=True):
    """What builds may leave: at most ``limit`` bytes (0: nothing at all; -1: any), unused for at most ``age`` seconds
    (0: any)."""

    limit: int = -1
    age: float = 0.0


class Cached(msgspec.Struct, frozen=True):
    """All that builds left. ``layers`` are the bytes of each layer that nothing but a step names."""

    steps: tuple[BuiltStep, ...] = ()
    mounts: tuple[CacheMount, ...] = ()
    layers: dict[str, int] = {}

    @property
    def size(self) -> int:
        return sum(self.layers.values()) + sum(mount.size for mount in self.mounts)


def cached(store: Store, *, without: frozenset[Digest] = frozenset()) -> Cached:
    """What builds left in this store, as if the images ``without`` were gone."""
    steps = tuple(built_steps(store.path))
    wanted = marks(store, without=without, cached=False).layers if steps else frozenset()
    names = {step.layer for step in steps if step.layer and step.layer not in wanted}
    layers = {name: folder_bytes("layers", f"{store.path}/layers/{name}") for name in sorted(names)}
    return Cached(steps, tuple(cache_mounts(store.path)), layers)


def is_cache_within(store: Store, rule: CacheRule) -> bool:
    """Whether nothing can be against the rule, told without reading what images need: layers that they share count."""
    steps, mounts = built_steps(store.path), cache_mounts(store.path)
    if not steps and not mounts:
        return True
    names = {step.layer for step in steps if step.layer}
    layers = {name: folder_bytes("layers", f"{store.path}/layers/{name}") for name in names}
    most = Cached(tuple(steps), tuple(mounts), layers)
    going = choose(most, rule, file_system_time(store.path), frozenset())
    return not going.steps and not going.mounts


def choose(found: Cached, rule: CacheRule, now: float, spared: frozenset[str]) -> Cached:
    """Which of ``found`` must go by the rule; ``spared`` are names of steps that a running build holds.

    The longest unused go first; a step is used when one that was done on it is, so leaves go before what they lie on.
    """
    uses = _last_uses(found.steps)
    last = [(uses[step.key], step) for step in found.steps if step.key not in spared]
    queue: list[tuple[float, BuiltStep | CacheMount]] = [*last, *((mount.used, mount) for mount in found.mounts)]
    queue.sort(key=lambda item: item[0])
    named = _counted(found.steps)
    total, steps, mounts, layers = found.size, [], [], {}
    for used, item in queue:
        too_old = bool(rule.age) and now - used > rule.age
        too_much = rule.limit == 0 or 0 < rule.limit < total
        if not too_old and not too_much:
            continue
        if isinstance(item, CacheMount):
            mounts.append(item)
            total -= item.size
            continue
        steps.append(item)
        named[item.layer] -= 1
        if item.layer in found.layers and not named[item.layer]:
            layers[item.layer] = found.layers[item.layer]
            total -= layers[item.layer]
    return Cached(tuple(steps), tuple(mounts), layers)


def evict(
    store: Store,
    rule: CacheRule,
    trash: list[str],
    *,
    dry_run: bool = False,
    without: frozenset[Digest] = frozenset(),
) -> Cached:
    """Forget what must go by the rule, add mounts to ``trash``; layers go with the next collection.

    Called by the one who removes (``flight.collecting``). ``without``: images that a dry run takes for removed.
    """
    found = cached(store, without=without)
    if not found.steps and not found.mounts:
        return found  # nothing is asked of a store that may not be there
    going = choose(found, rule, file_system_time(store.path), held(store.path))
    if dry_run:
        return going
    forget_steps(store.path, [step.key for step in going.steps])
    gone = []
    for mount in going.mounts:
        aside = take_aside(store.path, mount)
        if aside is not None:
            gone.append(mount)
            trash.append(aside)
    return msgspec.structs.replace(going, mounts=tuple(gone))


def _last_uses(steps: Sequence[BuiltStep]) -> Mapping[str, float]:
    """When each step was used last, itself or by one that was done on it; that is a moment later than the other's."""
    made: dict[str, list[BuiltStep]] = {}
    for step in steps:
        if step.diff_id is not None:
            made.setdefault(str(step.diff_id), []).append(step)
    uses = {step.key: step.used for step in steps}
    for step in sorted(steps, key=lambda step: step.used, reverse=True):
        seen, parent, used = {step.key}, step.parent, uses[step.key]
        while parent:
            used = math.nextafter(used, math.inf)
            below = [one for one in made.get(parent, ()) if one.key not in seen and uses[one.key] < used]
            seen.update(one.key for one in below)
            uses.update((one.key, used) for one in below)
            parent = below[0].parent if below else ""
    return uses


def _counted(steps: Sequence[BuiltStep]) -> dict[str, int]:
    count: dict[str, int] = {}
    for step in steps:
        count[step.layer] = count.get(step.layer, 0) + 1
    return count
