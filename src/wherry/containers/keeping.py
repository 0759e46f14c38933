"""``rename`` and ``rm``, each with its plan."""

from __future__ import annotations

import msgspec

from wherry.base.errors import Conflict, NotFound
from wherry.containers import kept
from wherry.containers.changes import Change
from wherry.containers.kept import Container
from wherry.containers.lookup import Found, find_container, is_elsewhere, kept_named, out_of_reach
from wherry.containers.names import check_name, claim_name, owner, release_name, taken
from wherry.containers.signals import plan_stop, stop
from wherry.containers.sweeping import sweep
from wherry.containers.world import World

__all__ = ["plan_rename", "plan_rm", "rename", "rm"]


def rename(name: str, new_name: str, *, world: World | None = None) -> None:
    """Give a kept container another name; raise :class:`Conflict` when that is taken. Also while it runs."""
    world = world or World()
    container = _renamable(world, name, new_name)
    claim_name(world.containers, new_name, container.id)
    options = msgspec.structs.replace(container.options, name=new_name)
    kept.save(world.containers, msgspec.structs.replace(container, name=new_name, options=options))
    release_name(world.containers, container.name, container.id)


def plan_rename(name: str, new_name: str, *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`rename` would do."""
    world = world or World(make_store=False)
    container = _renamable(world, name, new_name)
    holder = owner(world.containers, new_name)
    if holder is not None:
        raise taken(new_name, holder)
    return (Change("rename", "container", container.name or container.id[:12], new_name),)


def _renamable(world: World, name: str, new_name: str) -> Container:
    check_name(new_name)
    container = kept_named(world, name)
    if container.name == new_name:
        raise Conflict(f"container '{name}' has that name already")
    return container


def rm(name: str, *, force: bool = False, world: World | None = None) -> str | None:
    """Remove a kept container; ``force`` stops a running one first and passes over a missing one (then None).

    Returns its id. Raises :class:`Conflict` when it runs.
    """
    world = world or World()
    found = _removable(world, name, force)
    if found is None:
        return None
    if found.running is not None:
        stop(found.id, world=world)
    sweep(world)  # what a killed launcher of it left
    if found.kept is not None:
        if not force and is_elsewhere(world, found.kept):
            raise out_of_reach(world, found.kept)
        kept.delete(world.containers, found.kept, world.kept_parents)
    return found.id


def plan_rm(name: str, *, force: bool = False, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`rm` would do; the bytes are those of its own files: writable layer and log."""
    from wherry.containers.abandoned import scratch_size

    world = world or World(make_store=False)
    found = _removable(world, name, force)
    if found is None:
        return ()
    stopped = plan_stop(found.id, world=world) if found.running is not None else ()
    if found.kept is None:
        return stopped
    if found.running is None and not force and is_elsewhere(world, found.kept):
        raise out_of_reach(world, found.kept)
    folders = tuple(f"{parent}/{found.id}" for parent in dict.fromkeys((*world.kept_parents, world.containers)))
    return (*stopped, Change("remove", "container", found.shown, found.id, bytes=scratch_size(folders)))


def _removable(world: World, name: str, force: bool) -> Found | None:
    try:
        found = find_container(world, name)
    except NotFound:
        if force:
            return None
        raise
    if found.kept is not None and found.kept.protected:
        hint = f"udocker unprotect {found.shown}, if it may go"
        raise Conflict(f"container '{found.shown}' is protected against removal", hint=hint)
    if found.running is not None and not force:
        raise Conflict(
            f"container '{found.shown}' runs", hint=f"wherry stop {found.shown}, or wherry rm -f {found.shown}"
        )
    return found
