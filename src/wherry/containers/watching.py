"""``stats``: what running containers use, look after look."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec

from wherry.containers.kept import read
from wherry.containers.lookup import Found, must_run, name_of
from wherry.containers.running import Running, find_running, running_containers
from wherry.containers.using import Usage, usage_of
from wherry.containers.world import World

__all__ = ["ContainerUse", "stats"]

_FIRST_PAUSE = 0.5


class ContainerUse(msgspec.Struct, frozen=True):
    """What one container uses. ``cpu`` is in processors (1.0: one of them all the time), over the time between two
    looks; bytes else. ``memory_limit`` is the container's, else what the machine has."""

    id: str
    name: str
    cpu: float
    memory: int
    memory_limit: int
    processes: int
    read: int
    written: int


def stats(
    names: tuple[str, ...] = (), *, once: bool = False, pause: float = 1.0, world: World | None = None
) -> Iterator[list[ContainerUse]]:
    """One list after the other; without names all that run, also those that start meanwhile. Ends when all named ones
    have ended, or after the first list with ``once``.

    Raises :class:`NotFound`, and :class:`Conflict` for one that does not run here.
    """
    world = world or World(make_store=False)
    named = [must_run(world, name) for name in names]
    before = _look(world, named)
    time.sleep(_FIRST_PAUSE)
    while True:
        now = _look(world, named)
        if named and not now:
            return
        yield [
            _use(name, running, before[key][2], usage) for key, (name, running, usage) in now.items() if key in before
        ]
        if once:
            return
        before = now
        time.sleep(pause)


_Look = dict[str, tuple[str, Running, Usage]]


def _look(world: World, named: list[tuple[Found, Running]]) -> _Look:
    if named:
        found = [
            (name_of(container), find_running(os.path.dirname(os.path.dirname(old.path)), old.id))
            for container, old in named
        ]
    else:
        found = [(_name(world, running), running) for running in running_containers(world.runtime)]
    looks: _Look = {}
    for name, running in sorted(found, key=lambda pair: pair[0]):
        usage = usage_of(running) if running is not None else None
        if running is not None and usage is not None:
            looks[running.id] = (name or running.id[:12], running, usage)
    return looks


def _name(world: World, running: Running) -> str:
    """As it is called now: what the start line says was before any ``rename``."""
    kept = read(world.containers, running.id)
    return kept.name if kept is not None else running.start.name


def _use(name: str, running: Running, before: Usage, now: Usage) -> ContainerUse:
    passed = max(now.at - before.at, 1e-3)
    return ContainerUse(
        id=running.id,
        name=name,
        cpu=max(0.0, now.cpu - before.cpu) / passed,
        memory=now.memory,
        memory_limit=int(running.start.resources.get("memory", 0)) or _machine_memory(),
        processes=now.processes,
        read=now.read,
        written=now.written,
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
