"""Mounts of packed images whose keeper was killed: nobody else would unmount them (``docs/design/mounts.md``)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator

from wherry.containers.world import World

__all__ = ["left_mounts", "remove_mounts"]

_YOUNG_SECONDS = 3.0
"""Who starts makes the folder, and takes its lock then."""
_FILES = ("lock", "keeper", "server", "server.new", "words")
_PATIENCE = 10.0


def left_mounts(world: World) -> tuple[str, ...]:
    """Folders that no keeper has and no container uses. One directory listing where there is none."""
    return tuple(_left(f"{world.runtime}/mounts"))


def remove_mounts(paths: tuple[str, ...]) -> int:
    """Unmount and remove what :func:`left_mounts` found, unless somebody uses it by now; how many went."""
    gone = 0
    for path in paths:
        with contextlib.suppress(OSError), _Unused(path) as unused:
            if unused:
                _remove(path)
                gone += 1
    return gone


def _left(parent: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            path = f"{parent}/{name}"
            with contextlib.suppress(OSError):
                if time.time() - os.lstat(path).st_mtime < _YOUNG_SECONDS:
                    continue
                with _Unused(path) as unused:
                    if unused:
                        yield path


class _Unused:
    """The keeper's and the users' lock of a folder, both exclusively; False where somebody has one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: list[int] = []

    def __enter__(self) -> bool:
        for name in ("keeper", "lock"):
            try:
                self._open.append(os.open(f"{self._path}/{name}", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC))
                fcntl.flock(self._open[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                continue
            except BlockingIOError:
                return False
        return True

    def __exit__(self, *unused: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)


def _remove(path: str) -> None:
    aside = f"{path}.ended-{os.getpid()}"
    os.rename(path, aside)  # who comes now makes a new one
    tree = f"{aside}/tree"
    if _is_mounted(tree, aside):
        from wherry.host import find_squashfuse

        helper = find_squashfuse().helper
        if helper:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run([helper, "-u", "-q", "-z", "--", tree], stdin=subprocess.DEVNULL, timeout=_PATIENCE)
    for name in _FILES:
        with contextlib.suppress(OSError):
            os.unlink(f"{aside}/{name}")
    for folder in (tree, aside):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _is_mounted(tree: str, folder: str) -> bool:
    """Also when the program that served it is gone (ENOTCONN)."""
    try:
        os.statvfs(tree)
        return os.stat(tree).st_dev != os.stat(folder).st_dev
    except FileNotFoundError:
        return False
    except OSError:
        return True
