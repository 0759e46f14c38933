"""Containers: the use cases. Resolve, pull if missing, gate by policy, plan, execute; and what remains: state, logs,
records.

Words: a container *runs* while its launcher holds the lock on its RUNNING file; it is *kept* when it has a folder in
the store (``--name``, ``-d`` or ``create``); a *world* is one command's view of settings, store and folders. A start is
*prepared* (all decided, the plan made and saved) and then executed, by becoming the launcher or as a child.

This room parses no command lines and prints nothing. It may import ``wherry.launch`` and all below. Importing it costs
nothing: each function is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.containers.abandoned import abandoned_scratch, remove_scratch, scratch_size
    from wherry.containers.copying import cp
    from wherry.containers.differing import differences
    from wherry.containers.enter import exec_, prepare_exec
    from wherry.containers.keeping import rename, rm
    from wherry.containers.kept import Container, kept_containers
    from wherry.containers.listing import ContainerSummary, inspect, ps
    from wherry.containers.lookup import Found, find_container
    from wherry.containers.output import LogLine, logs
    from wherry.containers.records import Record, find_record, read_records
    from wherry.containers.resolving import MissingImage, Resolved, resolve
    from wherry.containers.running import Running, running_containers, running_images
    from wherry.containers.signals import kill, stop, wait
    from wherry.containers.starting import Preview, Start, create, prepare, preview, run, start
    from wherry.containers.sweeping import sweep
    from wherry.containers.unused import remove_names, unused_names
    from wherry.containers.variables import environment
    from wherry.containers.world import World

_HOMES = {
    "Container": "kept",
    "ContainerSummary": "listing",
    "Found": "lookup",
    "LogLine": "output",
    "MissingImage": "resolving",
    "Preview": "starting",
    "Record": "records",
    "Resolved": "resolving",
    "Running": "running",
    "Start": "starting",
    "World": "world",
    "abandoned_scratch": "abandoned",
    "cp": "copying",
    "create": "starting",
    "differences": "differing",
    "environment": "variables",
    "exec_": "enter",
    "find_container": "lookup",
    "find_record": "records",
    "inspect": "listing",
    "kept_containers": "kept",
    "kill": "signals",
    "logs": "output",
    "prepare": "starting",
    "prepare_exec": "enter",
    "preview": "starting",
    "ps": "listing",
    "read_records": "records",
    "remove_names": "unused",
    "remove_scratch": "abandoned",
    "rename": "keeping",
    "resolve": "resolving",
    "rm": "keeping",
    "run": "starting",
    "running_containers": "running",
    "running_images": "running",
    "scratch_size": "abandoned",
    "start": "starting",
    "stop": "signals",
    "sweep": "sweeping",
    "unused_names": "unused",
    "wait": "signals",
}

__all__ = [
    "Container",
    "ContainerSummary",
    "Found",
    "LogLine",
    "MissingImage",
    "Preview",
    "Record",
    "Resolved",
    "Running",
    "Start",
    "World",
    "abandoned_scratch",
    "cp",
    "create",
    "differences",
    "environment",
    "exec_",
    "find_container",
    "find_record",
    "inspect",
    "kept_containers",
    "kill",
    "logs",
    "prepare",
    "prepare_exec",
    "preview",
    "ps",
    "read_records",
    "remove_names",
    "remove_scratch",
    "rename",
    "resolve",
    "rm",
    "run",
    "running_containers",
    "running_images",
    "scratch_size",
    "start",
    "stop",
    "sweep",
    "unused_names",
    "wait",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
