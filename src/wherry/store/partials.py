"""Files in which a download gathers: one process writes each, or what it compared with a digest would not be what it
keeps.

The lock ends with its process, so that what a killed one left is gone on with. Where a file system knows no locks, a
flight keeps others off, and whoever keeps the file compares it once more.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["held_partial"]


@contextmanager
def held_partial(path: str) -> Iterator[str]:
    """``path``, made if need be and ours until the block ends; another, empty one while somebody else writes there.

    What is still empty at the end is removed, and so is the other one.
    """
    descriptor = _locked(path)
    if descriptor is None:
        path = f"{path}.{os.urandom(8).hex()}"
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)
        return
    try:
        yield path
    finally:
        if _is_at(descriptor, path) and os.fstat(descriptor).st_size == 0:
            with suppress(FileNotFoundError):
                os.unlink(path)
        os.close(descriptor)


def _locked(path: str) -> int | None:
    """A descriptor that holds the file's lock; None while somebody else does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            return descriptor  # no locks here
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # who held it took it away meanwhile


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
