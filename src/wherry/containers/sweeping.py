"""What killed launchers leave: their RUNNING file and scratch folder; swept by the next command, at little cost."""

from __future__ import annotations

import contextlib
import os
import time

from wherry.containers.running import read_running, running_folder
from wherry.containers.world import World

__all__ = ["sweep"]

_YOUNG_SECONDS = 5.0
"""A file is made a moment before it is locked; so young a one may be a start under way."""


def sweep(world: World) -> int:
    """Remove RUNNING files that nobody holds, and the scratch folders of their containers; return how many.

    Kept containers stay: their folders lie elsewhere. Costs one directory listing, and one open and lock for each
    container that runs here.
    """
    folder = running_folder(world.runtime)
    try:
        names = os.listdir(folder)
    except OSError:
        return 0
    swept = 0
    for name in names:
        path = f"{folder}/{name}"
        if len(name) == 64 and _is_old(path) and read_running(path) is None:
            _remove(world, name, path)
            swept += 1
    return swept


def _remove(world: World, container_id: str, path: str) -> None:
    from wherry.containers.trees import remove_tree

    for parent in world.scratch:
        with contextlib.suppress(OSError):
            remove_tree(f"{parent}/{container_id}")
    with contextlib.suppress(OSError):
        os.unlink(path)


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_mtime > _YOUNG_SECONDS
    except OSError:
        return False
