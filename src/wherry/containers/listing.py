"""``ps`` and ``inspect``: what containers there are, and how they are."""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.containers import kept
from wherry.containers.kept import Container, Exit
from wherry.containers.lookup import find_container, is_elsewhere, running_kept
from wherry.containers.running import Running, running_containers
from wherry.containers.sweeping import sweep
from wherry.containers.times import ago
from wherry.containers.world import World

__all__ = ["ContainerSummary", "inspect", "ps", "state_of"]


class ContainerSummary(msgspec.Struct, frozen=True):
    """One container. ``state`` is ``created``, ``running``, ``exited``, ``lost`` (its end was never written), or
    ``elsewhere`` (started on ``node`` or in another session, and no end is known here). Times are RFC 3339."""

    id: str
    names: tuple[str, ...]
    image: str
    image_digest: str
    command: tuple[str, ...]
    created: str
    state: str
    status: str
    node: str = ""
    pid: int = 0
    exit_code: int | None = None
    limit: str = ""
    started: str = ""
    finished: str = ""
    kept: bool = False
    labels: dict[str, str] = {}


def ps(*, all: bool = False, world: World | None = None) -> list[ContainerSummary]:  # noqa: A002
    """Containers that run on this node and, with ``all``, those that are kept; the youngest first."""
    world = world or World()
    sweep(world)
    if all:
        from wherry.containers.abandoned import abandoned_scratch, remove_scratch

        remove_scratch(abandoned_scratch(world))
    running = {found.id: found for found in running_containers(world.runtime)}
    summaries = []
    for container in kept.kept_containers(world.containers):
        process = running.pop(container.id, None) or running_kept(world, container)
        if all or process is not None:
            summaries.append(_kept_summary(world, container, process))
    summaries += [_summary(found) for found in running.values()]
    return sorted(summaries, key=lambda summary: summary.created, reverse=True)


def inspect(name: str, *, world: World | None = None) -> dict[str, Any]:
    """Docker's "docker inspect" of a container, with what is Wherry's own under ``Wherry``."""
    world = world or World()
    found = find_container(world, name)
    if found.kept is not None:
        summary = _kept_summary(world, found.kept, found.running)
    else:
        assert found.running is not None
        summary = _summary(found.running)
    container = found.kept
    options = container.options if container else None
    folder = f"{world.containers}/{found.id}"
    return {
        "Id": summary.id,
        "Created": summary.created,
        "Path": summary.command[0] if summary.command else "",
        "Args": list(summary.command[1:]),
        "State": {
            "Status": "exited" if summary.state == "lost" else summary.state,
            "Running": summary.state == "running",
            "Pid": summary.pid,
            "OOMKilled": summary.limit == "memory",
            "ExitCode": summary.exit_code if summary.exit_code is not None else 0,
            "StartedAt": summary.started,
            "FinishedAt": summary.finished,
            "Error": "its end was never recorded" if summary.state == "lost" else "",
        },
        "Image": summary.image_digest,
        "Name": f"/{summary.names[0]}" if summary.names else "",
        "LogPath": f"{folder}/log.json" if options is not None and options.detach else "",
        "Config": {
            "Image": summary.image,
            "Labels": summary.labels,
            "Env": [text for text in options.env if "=" in text] if options else [],
            "Cmd": list(options.command) if options else list(summary.command),
            "Entrypoint": list(options.entrypoint) if options and options.entrypoint is not None else None,
            "User": (options.user or "") if options else "",
            "WorkingDir": (options.workdir or "") if options else "",
            "Hostname": (options.hostname or "") if options else "",
            "Tty": options.terminal if options else False,
            "OpenStdin": options.interactive if options else False,
            "StopSignal": (options.stop_signal or "") if options else "",
        },
        "Mounts": [
            {"Type": "bind", "Source": bind.source, "Destination": bind.target, "RW": not bind.read_only}
            for bind in (options.binds if options else ())
        ],
        "HostConfig": {
            "NetworkMode": (options.network if options else None) or world.settings.text("run.network"),
            "ReadonlyRootfs": options.read_only if options else False,
            "AutoRemove": options.remove if options else True,
            "Memory": (options.memory or 0) if options else 0,
            "NanoCpus": round((options.cpus or 0) * 1e9) if options else 0,
            "PidsLimit": (options.pids_limit or 0) if options else 0,
        },
        "Wherry": {
            "Kept": summary.kept,
            "Node": summary.node,
            "Folder": folder if container else "",
            "Options": msgspec.to_builtins(options) if options else None,
            "Start": msgspec.to_builtins(found.running.start) if found.running else None,
        },
    }


def state_of(world: World, container: Container, running: Running | None, ended: Exit | None) -> str:
    """The state as :class:`ContainerSummary` names it."""
    if running is not None:
        return "running"
    if ended is not None:
        return "exited"
    if not container.started:
        return "created"
    if is_elsewhere(world, container):
        return "elsewhere"
    # Between its look-up and now it may have begun or ended: look once more before it is called lost.
    if running_kept(world, container) is not None:
        return "running"
    return "exited" if kept.read_exit(world.containers, container.id) is not None else "lost"


def _kept_summary(world: World, container: Container, running: Running | None) -> ContainerSummary:
    ended = None if running is not None else kept.read_exit(world.containers, container.id)
    state = state_of(world, container, running, ended)
    if state == "exited" and ended is None:
        ended = kept.read_exit(world.containers, container.id)
    return ContainerSummary(
        id=container.id,
        names=container.names,
        image=container.image,
        image_digest=container.image_digest,
        command=container.entry,
        created=container.created,
        state=state,
        status=_status(state, container, ended),
        node=container.node,
        pid=running.init_pid if running else 0,
        exit_code=ended.exit if ended else None,
        limit=ended.limit if ended else "",
        started=container.started,
        finished=ended.time if ended else "",
        kept=True,
        labels=dict(container.options.labels),
    )


def _status(state: str, container: Container, ended: Exit | None) -> str:
    if state == "running":
        return f"Up {ago(container.started)}"
    if state == "exited" and ended is not None:
        return f"Exited ({ended.exit}) {ago(ended.time)} ago"
    if state == "lost":
        return "Lost (its end was never recorded)"
    if state == "elsewhere":
        return f"Started on {container.node} {ago(container.started)} ago"
    return "Created"


def _summary(running: Running) -> ContainerSummary:
    start = running.start
    return ContainerSummary(
        id=running.id,
        names=(start.name,) if start.name else (),
        image=start.image,
        image_digest=start.image_digest,
        command=tuple(start.command),
        created=start.time,
        state="running",
        status=f"Up {ago(start.time)}",
        node=start.node,
        pid=running.init_pid,
        started=start.time,
        labels=start.labels,
    )
