"""From the changes in an upper directory to a layer: found by its key, or made, made repeatable, and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.build.made import Event, Made
from wherry.build.site import Site

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.build.normalise import Change

__all__ = ["found_or_made"]

_NEVER = ("etc/resolv.conf", "etc/hosts", "etc/hostname", "dev/*", "proc/*", "sys/*", "run/wherry", ".wherry")
"""What a command finds of the host's, or of Wherry's own, and may change: it was never the image's."""


def found_or_made(
    site: Site,
    place: int,
    key: Digest,
    parent: Made,
    fill: Callable[[str], None],
    *,
    by_command: bool = False,
    exact: Digest | None = None,
) -> Made:
    """The state after the step with this key.

    ``fill`` is given a work folder and leaves its changes in the ``upper`` of it. Of several builds that come to the
    same step one makes it, and the others take it. What a command left (``by_command``) is normalised, and what was
    never the image's is dropped; what the user copies stays as it is, to the byte. ``exact`` is the key of the same
    step with all owners, which is taken where another way of building made it.
    """
    while True:
        found = _found(site, place, key, parent)
        if found is None and exact not in (None, key):
            found = _found(site, place, exact, parent)
        if found is not None:
            return found
        with site.cache.flight(key) as mine:
            if mine or not site.here.use_cache:
                return _made(site, place, key, parent, fill, by_command=by_command)


def _found(site: Site, place: int, key: Digest, parent: Made) -> Made | None:
    found = site.cache.find(key, parent.diff_ids) if site.here.use_cache else None
    if found is None:
        return None
    own = None
    if found.layers:
        own = site.world.store.find_layer(found.layers[-1])
        if own is None:
            return None
    site.report(Event("cached", place, size=own.meta.size if own else 0))
    return Made((*parent.layers, own) if own else parent.layers, own, cached=True)


def _made(site: Site, place: int, key: Digest, parent: Made, fill: Callable[[str], None], *, by_command: bool) -> Made:
    from wherry.build.normalise import normalise
    from wherry.image import Rules, make_layer, told_of

    store = site.world.store
    site.report(Event("begin", place))
    began, when = time.monotonic(), time.time()
    work = store.new_work()
    try:
        fill(work)
        upper = f"{work}/upper"
        if by_command:
            _tell(site, place, normalise(upper, site.here.rules, site.here.epoch, when))
        rules = Rules(epoch=site.here.epoch, drop=_NEVER if by_command else ())
        told = told_of(upper, noted=not (by_command and site.here.owners == "pretend"))
        made = make_layer(store, site.below(parent.layers), upper, rules=rules, told=told)
    finally:
        site.tidying.remove(work)
    seconds = time.monotonic() - began
    layer = made.layer if made is not None else None
    size = layer.meta.size if layer is not None else -1
    site.cache.remember(key, layer, seconds, max(size, 0), parent.diff_ids)
    site.report(Event("done", place, seconds=seconds, size=size))
    return Made((*parent.layers, layer) if layer else parent.layers, layer)


def _tell(site: Site, place: int, changes: tuple[Change, ...]) -> None:
    """Which rules did something, in a line; and each file that they cannot make repeat."""
    from wherry.build.normalise import summary, warnings

    if text := summary(changes):
        site.report(Event("output", place, text))
    for text in warnings(changes):
        site.note(text)
