"""Which container is meant: by name, id, or the beginning of an id, among those that run and those that are kept."""

from __future__ import annotations

import msgspec

from wherry.base.errors import Conflict
from wherry.containers import kept
from wherry.containers.kept import Container
from wherry.containers.running import Running, find_running, running_containers
from wherry.containers.world import World

__all__ = ["Found", "find_container", "kept_named", "must_run", "name_of"]


class Found(msgspec.Struct, frozen=True):
    """A container: ``kept`` is None for one that goes when it ends, ``running`` when it does not run on this node."""

    id: str
    kept: Container | None
    running: Running | None

    @property
    def shown(self) -> str:
        return name_of(self)


def name_of(found: Found) -> str:
    """Its name, else the first twelve digits of its id."""
    return (found.kept.name if found.kept else "") or found.id[:12]


def find_container(world: World, text: str) -> Found:
    """The container that ``text`` means; raises :class:`NotFound` (with near names), :class:`Conflict` for several."""
    container = kept.find(world.containers, text)
    if container is not None:
        return Found(container.id, container, find_running(world.runtime, container.id))
    fitting = [
        running for running in running_containers(world.runtime) if len(text) >= 1 and running.id.startswith(text)
    ]
    if len(fitting) > 1:
        shown = ", ".join(sorted(running.id[:12] for running in fitting)[:5])
        raise Conflict(f"'{text}' fits several containers", why=shown, hint="give more digits of the id")
    if fitting:
        return Found(fitting[0].id, None, fitting[0])
    raise kept.not_found(text, [container.name for container in kept.kept_containers(world.containers)])


def kept_named(world: World, text: str) -> Container:
    """The kept container that ``text`` means; raise :class:`NotFound`, also for one that goes when it ends."""
    found = find_container(world, text)
    if found.kept is None:
        raise Conflict(
            f"container '{text}' is not kept",
            why="it was started without --name or -d, and goes when it ends",
            hint="start one that stays: wherry run --name NAME IMAGE",
        )
    return found.kept


def must_run(world: World, text: str) -> tuple[Found, Running]:
    """The container and its processes; raise :class:`Conflict` when it does not run on this node."""
    found = find_container(world, text)
    if found.running is not None:
        return found, found.running
    container = found.kept
    if container is not None and _elsewhere(world, container):
        raise Conflict(
            f"container '{text}' does not run on this node",
            why=f"it was started on '{container.node}'",
            hint=f"go there: ssh {container.node}",
        )
    raise Conflict(f"container '{text}' does not run", hint=f"wherry start {text}")


def _elsewhere(world: World, container: Container) -> bool:
    if not container.started or container.node == world.outside.node():
        return False
    return kept.read_exit(world.containers, container.id) is None
