"""``rename`` and ``rm``."""

from __future__ import annotations

import msgspec

from wherry.base.errors import Conflict, NotFound
from wherry.containers import kept
from wherry.containers.lookup import find_container, is_elsewhere, kept_named, out_of_reach
from wherry.containers.names import check_name, claim_name, release_name
from wherry.containers.signals import stop
from wherry.containers.sweeping import sweep
from wherry.containers.world import World

__all__ = ["rename", "rm"]


def rename(name: str, new_name: str, *, world: World | None = None) -> None:
    """Give a kept container another name; raise :class:`Conflict` when that is taken. Also while it runs."""
    world = world or World()
    check_name(new_name)
    container = kept_named(world, name)
    if container.name == new_name:
        raise Conflict(f"container '{name}' has that name already")
    claim_name(world.containers, new_name, container.id)
    options = msgspec.structs.replace(container.options, name=new_name)
    kept.save(world.containers, msgspec.structs.replace(container, name=new_name, options=options))
    release_name(world.containers, container.name, container.id)


def rm(name: str, *, force: bool = False, world: World | None = None) -> str | None:
    """Remove a kept container; ``force`` stops a running one first and passes over a missing one (then None).

    Returns its id. Raises :class:`Conflict` when it runs.
    """
    world = world or World()
    try:
        found = find_container(world, name)
    except NotFound:
        if force:
            return None
        raise
    if found.running is not None:
        if not force:
            raise Conflict(
                f"container '{found.shown}' runs", hint=f"wherry stop {found.shown}, or wherry rm -f {found.shown}"
            )
        stop(found.id, world=world)
    sweep(world)  # what a killed launcher of it left
    if found.kept is not None:
        if not force and is_elsewhere(world, found.kept):
            raise out_of_reach(world, found.kept)
        kept.delete(world.containers, found.kept, world.kept_parents)
    return found.id
