"""Taking things away: trees with any modes and any depth, and what dead processes left in tmp/."""

from __future__ import annotations

import os
import stat
import time

from wherry.store.durable import fresh_path
from wherry.store.processes import current, is_dead, parse_tmp_name
from wherry.store.values import DAY

__all__ = [
    "delete_tree",
    "file_system_time",
    "is_anyone_working",
    "is_left_over",
    "left_over",
    "put_aside",
    "sweep",
    "sweep_once",
]

PARTIAL_AGE = 7 * DAY
"""Seconds that an interrupted download waits to be resumed."""


def put_aside(root: str, path: str) -> str | None:
    """Take ``path`` out of sight in one step, into tmp/; None when there is nothing. Return where it is now."""
    aside = fresh_path(root)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return None
    return aside


def delete_tree(path: str) -> bool:
    """Remove a file or a whole tree; False when something remains (it is in tmp/ then, and swept again later).

    Folders without permission for their owner are given it first. Deep folders are moved up before they are emptied, so
    neither the depth of an image's tree nor the length of its paths matters (a hostile one has thousands of levels).
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False
    complete, moved, prefix = True, 0, os.urandom(8).hex()
    pending = [path]
    while pending:
        folder = pending.pop()
        try:
            os.chmod(folder, 0o700)
            with os.scandir(folder) as entries:
                found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            complete = False
            continue
        for entry, is_folder in found:
            try:
                if not is_folder:
                    os.unlink(entry)
                    continue
                if folder != path:
                    if _remove_folder(entry):
                        continue
                    os.chmod(entry, 0o700)  # to move a folder to another parent is to write to it: its '..' changes
                    moved += 1
                    raised = f"{path}/{prefix}-{moved}"
                    os.rename(entry, raised)
                    entry = raised
                pending.append(entry)
            except OSError:
                complete = False
        if folder != path:
            complete = _remove_folder(folder) and complete
    return _remove_folder(path) and complete


def sweep(root: str) -> int:
    """Remove what dead processes left below tmp/, and downloads that nobody resumed; return how many things went.

    What another node (or another pid namespace, or boot) left goes after a day.
    """
    gone = 0
    now = file_system_time(root)
    for folder in ("tmp", "building"):
        for name, modified in _entries(f"{root}/{folder}"):
            if is_left_over(name, modified, now):
                gone += delete_tree(f"{root}/{folder}/{name}")
    for name, _ in _entries(f"{root}/images"):
        owner = parse_tmp_name(name[1:].partition(".")[2]) if name.startswith(".") else None
        if owner is not None and is_dead(owner):  # a record that was never completed
            gone += delete_tree(f"{root}/images/{name}")
    for folder, age in (("partial", PARTIAL_AGE), ("fetching", DAY), ("answered", DAY), ("collecting", DAY)):
        for name, modified in _entries(f"{root}/{folder}"):
            if now - modified > age:
                gone += delete_tree(f"{root}/{folder}/{name}")
    return gone


def left_over(root: str) -> list[str]:
    """What dead processes left in tmp/: after :func:`sweep`, what resisted."""
    now = file_system_time(root)
    return [f"{root}/tmp/{name}" for name, modified in _entries(f"{root}/tmp") if is_left_over(name, modified, now)]


def is_left_over(name: str, modified: float, now: float) -> bool:
    """Whether the process that made ``name`` (:func:`tmp_name`) is gone; nobody can be asked elsewhere: after a day."""
    owner, me = parse_tmp_name(name), current()
    if owner is None:
        return False  # none of ours: never touch what we did not make
    if owner.node == me.node and owner.boot_id and me.boot_id and not me.boot_id.startswith(owner.boot_id):
        return True  # this node has booted since
    if (owner.node, owner.namespace) == (me.node, me.namespace) and owner.boot_id:
        return is_dead(owner)
    return now - modified > DAY


def is_anyone_working(root: str, now: float) -> bool:
    """Whether another process has work of less than a day in tmp/ (an archive being loaded, a layer unpacked)."""
    me = current()
    owners = [parse_tmp_name(name) for name, modified in _entries(f"{root}/tmp") if now - modified < DAY]
    return any(owner is not None and owner.pid != me.pid and not is_dead(owner) for owner in owners)


def file_system_time(root: str) -> float:
    """Now by the clock that stamps files here: a file server's differs from a node's (which serves where it must)."""
    try:
        path = fresh_path(root)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        return time.time()
    try:
        return os.stat(path).st_mtime
    finally:
        os.unlink(path)


def _entries(folder: str) -> list[tuple[str, float]]:
    try:
        with os.scandir(folder) as entries:
            found = []
            for entry in entries:
                try:
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_mtime))
                except FileNotFoundError:
                    continue
            return found
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_folder(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


_swept: set[str] = set()


def sweep_once(root: str) -> None:
    """:func:`sweep`, the first time that this process asks; what cannot be swept is somebody else's concern."""
    if root in _swept:
        return
    _swept.add(root)
    try:
        sweep(root)
    except OSError:
        return
