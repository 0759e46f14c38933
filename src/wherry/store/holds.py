"""Holds: what a running build found stays until it ends. One file a build, ``building/NODE.PID.BOOT-NAMESPACE-START-
RANDOM``, a name a line: layers that must stay, and steps that should.

Who holds writes the name before looking whether the thing is there, and waits for a remover that had begun before; who
removes looks for holds after taking things out of sight (``removal`` tells of the same two sides). A hold whose process
is dead counts for nothing; one of another node counts for a day after its last renewal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from wherry.store.discard import file_system_time, is_left_over
from wherry.store.durable import make_folder, read_small, unlink_all
from wherry.store.faults import reported
from wherry.store.flight import await_collector
from wherry.store.processes import tmp_name

__all__ = ["Hold", "held", "holding", "in_use", "marked_used"]

_FOLDER = "building"
_RENEWAL = 1800.0
"""Seconds between renewals: far less than the day after which another node's hold counts for nothing."""


class Hold:
    """What this process holds; for any number of threads."""

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._path = path
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def add(self, *names: str) -> None:
        """Hold these too: what is there when this returns stays, what a remover had taken before is gone then."""
        with self._lock, reported("note what a build needs", self._root):
            new = [name for name in names if name not in self._names]
            if not new:
                return
            self._names.update(new)
            try:
                _append(self._path, new)
            except FileNotFoundError:  # swept, after this process was stopped for a day
                make_folder(os.path.dirname(self._path))
                _append(self._path, self._names, os.O_CREAT)
        await_collector(self._root)


@contextmanager
def holding(root: str) -> Iterator[Hold]:
    """A hold that ends with the block, or with the process."""
    with marked_used(f"{root}/{_FOLDER}", root) as path:
        yield Hold(root, path)


def held(root: str) -> frozenset[str]:
    """All that living builds hold, as this node can tell."""
    folder = f"{root}/{_FOLDER}"
    return frozenset(
        line for name in _living(folder, root) for line in (read_small(f"{folder}/{name}") or b"").decode().split()
    )


@contextmanager
def marked_used(folder: str, root: str) -> Iterator[str]:
    """Say by a file in ``folder`` that this process uses something, until the block ends; its path."""
    path = f"{folder}/{tmp_name()}"
    with reported("note what a build needs", root):
        try:
            _append(path, (), os.O_CREAT | os.O_EXCL)
        except FileNotFoundError:
            make_folder(folder)
            _append(path, (), os.O_CREAT | os.O_EXCL)
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, ended), name="hold", daemon=True)
    thread.start()
    try:
        yield path
    finally:
        ended.set()
        thread.join()
        unlink_all([path])


def in_use(folder: str, root: str, but: str = "") -> bool:
    """Whether a living process says so by :func:`marked_used`; the file ``but`` does not count."""
    return any(f"{folder}/{name}" != but for name in _living(folder, root))


def _living(folder: str, root: str) -> list[str]:
    with suppress(OSError):
        os.utime(folder)  # a network file system must list the folder anew
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False).st_mtime) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    if not found:
        return []
    now = file_system_time(root)
    return [name for name, renewed in found if not is_left_over(name, renewed, now)]


def _append(path: str, names: Iterable[str], flags: int = 0) -> None:
    """Opened and closed each time: a network file system sends it to its server so."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    try:
        os.write(fd, "".join(f"{name}\n" for name in names).encode())
    finally:
        os.close(fd)


def _renew(path: str, ended: threading.Event) -> None:
    while not ended.wait(_RENEWAL):
        with suppress(OSError):
            os.utime(path)
