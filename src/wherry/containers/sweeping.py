"""What launchers leave: RUNNING files and scratch folders of killed ones, kept containers that were to go at their end
(``--rm`` with ``--name`` or ``-d``); swept by the next command, at little cost. There is no daemon that could do it."""

from __future__ import annotations

import contextlib
import os
import time

import msgspec

from wherry.containers.running import read_running, running_folder
from wherry.containers.world import World

__all__ = ["mark_passing", "sweep"]

_YOUNG_SECONDS = 60.0
"""A file is made, locked and then written; an empty one may be a start under way."""


_LOST_SECONDS = 60.0
"""A container that neither runs nor has ended after this time was lost; before, it may be starting."""


def sweep(world: World) -> int:
    """Remove RUNNING files that nobody holds, with the scratch folders of their containers, and what was to go at its
    end; return how many. Mounts of packed images whose keeper was killed go too.

    Other kept containers stay: their folders lie elsewhere. Costs four directory listings, and one open and lock for
    each container that runs here and each mount.
    """
    return _sweep_killed(world) + _sweep_passing(world) + _sweep_trials(world) + _sweep_mounts(world)


def mark_passing(containers: str, container_id: str) -> None:
    """Note that a kept container goes when it has ended. An empty file ``containers/passing/ID``: cheap to look for."""
    os.makedirs(f"{containers}/passing", 0o700, exist_ok=True)
    with open(f"{containers}/passing/{container_id}", "wb"):
        pass


def _sweep_passing(world: World) -> int:
    return sum(_remove_ended(world, name) for name in _listed(f"{world.containers}/passing"))


def _remove_ended(world: World, container_id: str) -> bool:
    from wherry.containers import kept
    from wherry.containers.lookup import is_elsewhere, running_kept
    from wherry.containers.times import seconds

    container = kept.read(world.containers, container_id)
    if container is not None:
        if running_kept(world, container) is not None:
            return False
        if kept.read_exit(world.containers, container_id) is None:
            away = is_elsewhere(world, container)
            if not container.started or away or time.time() - seconds(container.started) < _LOST_SECONDS:
                return False
        kept.delete(world.containers, container, world.kept_parents)
    with contextlib.suppress(OSError):
        os.unlink(f"{world.containers}/passing/{container_id}")
    return container is not None


def _sweep_trials(world: World) -> int:
    """Folders in which it was tried whether an overlay can be had, by a process that was killed meanwhile."""
    from wherry.containers.trees import remove_tree

    swept = 0
    for parent in world.scratch:
        for name in _listed(parent):
            path = f"{parent}/{name}"
            if name.startswith(".trial-") and _age(path) > _YOUNG_SECONDS:
                with contextlib.suppress(OSError):
                    remove_tree(path)
                swept += 1
    return swept


def _sweep_mounts(world: World) -> int:
    if not _listed(f"{world.runtime}/mounts"):
        return 0
    from wherry.containers.unmounting import left_mounts, remove_mounts

    return remove_mounts(left_mounts(world))


def _sweep_killed(world: World) -> int:
    folder = running_folder(world.runtime)
    swept = 0
    for name in _listed(folder):
        path = f"{folder}/{name}"
        if len(name) == 64 and read_running(path) is None and _is_left(path):
            _remove(world, name, path)
            swept += 1
    return swept


class _Bounds(msgspec.Struct, frozen=True):
    group: str = ""


class _Left(msgspec.Struct, frozen=True):
    """The part of a RUNNING file's start line that says where its launcher made the scratch folder and the group."""

    scratch: tuple[str, ...] = ()
    bounds: _Bounds = _Bounds()


def _noted(path: str) -> _Left:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read().partition(b"\n")[2], type=_Left)
    except (OSError, msgspec.MsgspecError):
        return _Left()


def _remove(world: World, container_id: str, path: str) -> None:
    from wherry.containers.trees import remove_tree

    left = _noted(path)
    for parent in dict.fromkeys((*left.scratch, *world.scratch)):
        if parent.startswith("/"):
            with contextlib.suppress(OSError):
                remove_tree(f"{parent}/{container_id}")
    if left.bounds.group.startswith("/"):
        with contextlib.suppress(OSError):  # a control group without processes goes as an empty folder does
            os.rmdir(f"{left.bounds.group}/wherry-{container_id[:12]}")
    with contextlib.suppress(OSError):
        os.unlink(path)


def _is_left(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return found.st_size > 0 or time.time() - found.st_mtime > _YOUNG_SECONDS


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _age(path: str) -> float:
    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0
