"""Names layers (``STORE/shown``: ``passwd``, ``hosts`` and the like, see ``wherry.launch.names``) that nothing needs.

Who plans marks the layer before it looks whether it is there; who removes takes it out of sight before it looks whether
it was marked. A saved plan compares the layer's stamps, so a start by one that ``prune`` did not see plans anew.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from wherry.containers.abandoned import held_files
from wherry.containers.running import running_folder
from wherry.containers.world import World

__all__ = ["remove_names", "unused_names"]

_AGE_SECONDS = 86400.0
_DIGITS = frozenset("0123456789abcdef")


def unused_names(world: World) -> tuple[str, ...]:
    """Names layers that no plan was made with for a day, no saved plan names and no container that runs can have.

    Which one a container has cannot be told for all, so those stay that were there when the last one began. None go
    while another session or node may run something that cannot be seen from here.
    """
    return tuple(_unneeded(world, {path: path for path in _trees(f"{world.store.path}/shown")}))


def remove_names(world: World, paths: tuple[str, ...]) -> int:
    """Remove what :func:`unused_names` found, unless it is needed again by now; how many went."""
    if not paths:
        return 0
    work = world.store.new_work()
    try:
        aside: dict[str, str] = {}
        for number, path in enumerate(paths):
            with contextlib.suppress(OSError):
                os.rename(path, f"{work}/{number}")
                aside[path] = f"{work}/{number}"
        gone = _unneeded(world, aside)
        for path in aside.keys() - set(gone):
            with contextlib.suppress(OSError):  # it was made anew meanwhile
                os.rename(aside[path], path)
        for path in gone:
            with contextlib.suppress(OSError):
                os.unlink(_mark(path))
        return len(gone)
    finally:
        world.store.discard(work)


def _unneeded(world: World, trees: Mapping[str, str]) -> list[str]:
    """Those of the layers (by path: where it lies just now) that may go."""
    from wherry.store import used_elsewhere

    old = {path: made for path, place in trees.items() if (made := _made_long_ago(path, place)) is not None}
    if not old or used_elsewhere(world.store, world.runtime):
        return []
    last = _last_start(world)
    if last is None:
        return []
    plans = _saved_plans(world)
    return [path for path, made in old.items() if made > last and not any(os.fsencode(path) in plan for plan in plans)]


def _trees(folder: str) -> list[str]:
    """The names layers of this user: named by 32 hex digits; behind a dot more, while one is made."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.partition(".")[0]
            if len(name) == 32 and set(name) <= _DIGITS and entry.is_dir(follow_symlinks=False):
                found += [entry.path] if entry.stat(follow_symlinks=False).st_uid == os.geteuid() else []
    return found


def _made_long_ago(path: str, place: str) -> float | None:
    """When the layer was made; None when that, or the last plan with it, is less than a day ago."""
    try:
        made = used = os.lstat(place).st_mtime  # a rename changes the ctime
        with contextlib.suppress(FileNotFoundError):
            used = max(used, os.lstat(_mark(path)).st_mtime)
    except OSError:
        return None
    return made if time.time() - used > _AGE_SECONDS else None


def _mark(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}"


def _last_start(world: World) -> float | None:
    """When the last of the containers that run on this node began, 0 when none runs; None where it cannot be told."""
    held = held_files()
    if held is None:
        return None
    here = running_folder(world.runtime)
    noted: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        noted = [f"{here}/{name}" for name in os.listdir(here)]
    last = 0.0
    for path in (*noted, *held.values()):
        with contextlib.suppress(OSError):  # it has ended
            last = max(last, os.stat(path).st_mtime)
    return last


def _saved_plans(world: World) -> list[bytes]:
    """The contents of this session's saved plans; what they name is in there as it is."""
    folder, found = f"{world.runtime}/plans", []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError), open(f"{folder}/{name}", "rb") as file:
                found.append(file.read())
    return found
