"""Scratch folders whose launcher was killed and whose RUNNING file is gone too: a reboot clears where these lie.

Looked for by ``prune``, ``df`` and ``ps -a`` only: it reads what the user's processes have open.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from wherry.base.errors import HostLacks
from wherry.containers.running import running_folder
from wherry.containers.world import World

__all__ = ["abandoned_scratch", "held_files", "remove_left_work", "remove_scratch", "scratch_size"]

_AGE_SECONDS = 3600.0
_DIGITS = frozenset("0123456789abcdef")


def abandoned_scratch(world: World) -> tuple[str, ...]:
    """Folders that no container of this node uses, made before this boot or more than an hour ago; among them those
    that launchers keep to use again (``native/launcher/spare.h``), when nobody did for so long.

    Only local file systems are looked at: there, what is not of this node's containers is nobody's. A container of
    another session is known by its launcher, which has its RUNNING file open whether that has a name still or not.
    """
    found = [path for parent in _parents(world) for path in _folders(parent)]
    old = [path for path in found if _is_old(path)]
    if not old:
        return ()
    alive = held_files()
    if alive is None:
        return ()
    here = running_folder(world.runtime)
    return tuple(
        path for path in old if (name := path.rpartition("/")[2]) not in alive and not os.path.lexists(f"{here}/{name}")
    )


def remove_scratch(paths: tuple[str, ...]) -> int:
    """Remove what :func:`abandoned_scratch` found; how many went."""
    from wherry.containers.trees import remove_tree

    gone = 0
    for path in paths:
        with contextlib.suppress(OSError):
            mine = f"{path}.{os.getpid()}"
            os.rename(path, mine)  # a launcher may just be taking a spare one: only one of us gets it
            remove_tree(mine)
            gone += 1
    return gone


def remove_left_work(world: World) -> None:
    """Remove what killed steps with a range of ids left in the store: its own sweep cannot, since it belongs to other
    ids. What is left without a range stays for the day when there is one."""
    from wherry.containers.trees import remove_tree
    from wherry.store import left_over

    for path in left_over(world.store.path):
        with contextlib.suppress(OSError):
            remove_tree(path)


def scratch_size(paths: Iterable[str]) -> int:
    """The bytes that these files, and the files of these folders, take on disk."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            size += os.lstat(path).st_blocks * 512 if os.path.isfile(path) else 0
        pending = [path]
        while pending:  # os.walk nests a call a level, and a container may make more of these
            with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    with contextlib.suppress(OSError):
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size


def _parents(world: World) -> list[str]:
    """Where writable layers may have been put, with these settings or others (``wherry.host.scratch``)."""
    from wherry.host import filesystem_type, is_remote

    uid = world.outside.identity().uid
    temporary = (world.outside.env("TMPDIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm")
    usual = (f"{base.rstrip('/')}/wherry-{uid}/scratch" for base in temporary)
    chosen: tuple[str, ...] = ()
    with contextlib.suppress(HostLacks):
        chosen = world.scratch
    candidates = dict.fromkeys((*chosen, f"{world.store.path}/scratch", *usual))
    return [path for path in candidates if os.path.isdir(path) and not is_remote(filesystem_type(path))]


def _folders(parent: str) -> list[str]:
    """Containers' folders of ours: named by 64 hex digits, or spare."""
    found = []
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            ours = entry.name.startswith("spare.") or (len(entry.name) == 64 and set(entry.name) <= _DIGITS)
            if ours and entry.is_dir(follow_symlinks=False):
                found += [entry.path] if entry.stat(follow_symlinks=False).st_uid == os.geteuid() else []
    return found


def _is_old(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    made = max(found.st_mtime, found.st_ctime)
    return time.time() - made > _AGE_SECONDS or made < _booted()


def _booted() -> float:
    """When this node booted, in seconds of the epoch (proc_stat(5), btime); 0 where that cannot be read."""
    try:
        with open("/proc/stat", "rb") as file:
            return next(float(line.split()[1]) for line in file if line.startswith(b"btime "))
    except (OSError, StopIteration):
        return 0.0


def held_files() -> dict[str, str] | None:
    """The RUNNING file that each living launcher has open, by its container's id, in whatever session: a path below
    /proc, since it may have no name any more. None where /proc is missing."""
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    held = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    path = f"/proc/{process}/fd/{descriptor}"
                    target = os.readlink(path).removesuffix(" (deleted)")
                    folder, _, name = target.rpartition("/")
                    if len(name) == 64 and folder.endswith("/running"):
                        held[name] = path
    return held
