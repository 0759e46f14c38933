"""Which container is meant: by name, id, or the beginning of an id, among those that run and those that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import Conflict
from wherry.containers import kept
from wherry.containers.kept import Container
from wherry.containers.running import Running, find_running, running_containers
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.containers.records import Record

__all__ = [
    "Found",
    "find_container",
    "is_elsewhere",
    "kept_named",
    "must_run",
    "name_of",
    "out_of_reach",
    "running_kept",
]

_LEASE_SECONDS = 2 * 3600.0
"""A launcher renews its image's lease hourly; an older one says that the node went down, or that it ended."""


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
        return Found(container.id, container, running_kept(world, container))
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


def running_kept(world: World, container: Container) -> Running | None:
    """The processes of a kept container on this node, also those of another session that can be looked into."""
    found = find_running(world.runtime, container.id)
    if found is None and container.runtime not in ("", world.runtime) and container.node == world.outside.node():
        found = find_running(container.runtime, container.id)
    return found


def is_elsewhere(world: World, container: Container) -> bool:
    """Whether it may be running where this session cannot look: on another node, or in another session of this one.

    On this node the open record tells, by its process; of another one its lease, which the launcher renews hourly.
    """
    if not container.started or kept.read_exit(world.containers, container.id) is not None:
        return False
    if container.node == world.outside.node():
        return _open_record(world, container) is not None
    import time

    from wherry.base.digest import Digest

    leases = world.store.leases(Digest.parse(container.image_digest))
    return any(lease.node == container.node and time.time() - lease.renewed < _LEASE_SECONDS for lease in leases)


def must_run(world: World, text: str) -> tuple[Found, Running]:
    """The container and its processes; raise :class:`Conflict` when it does not run on this node."""
    found = find_container(world, text)
    if found.running is not None:
        return found, found.running
    if found.kept is not None and is_elsewhere(world, found.kept):
        raise out_of_reach(world, found.kept)
    raise Conflict(f"container '{text}' does not run", hint=f"wherry start {text}")


def out_of_reach(world: World, container: Container) -> Conflict:
    """The error for a container that :func:`is_elsewhere`."""
    shown = container.name or container.id[:12]
    if container.node != world.outside.node():
        return Conflict(
            f"container '{shown}' does not run on this node",
            why=f"it was started on '{container.node}', and may be running there",
            hint=f"go there: ssh {container.node}",
        )
    record = _open_record(world, container)
    if container.runtime == world.runtime and record is not None:
        return Conflict(
            f"container '{shown}' runs out of reach",
            why=f"the folder of running containers was emptied meanwhile ('{container.runtime}')",
            hint=f"kill {record.start.pid} ends it",
        )
    return Conflict(
        f"container '{shown}' runs in another session of yours",
        why=f"which keeps its running containers in '{container.runtime}'",
        hint=f"set XDG_RUNTIME_DIR={container.runtime.rpartition('/')[0]}, or use the session that started it",
    )


def _open_record(world: World, container: Container) -> Record | None:
    """The record of its last execution on this node, while that goes on."""
    from wherry.containers.records import find_record

    record = find_record(world.state, container.id, node=container.node, boot_id=world.outside.boot_id())
    return record if record is not None and record.end is None and not record.lost else None
