"""The seam where the kernel's errors become the store's: which directory, why, and what to do next."""

from __future__ import annotations

import errno
import os
from types import TracebackType

from wherry.base.errors import StoreError, StoreFull, reason

__all__ = ["ANOTHER_PLACE", "reported", "translated"]

_ELSEWHERE = "or keep images elsewhere: export WHERRY_STORE=/a/folder/on/a/larger/file/system"
ANOTHER_PLACE = "name a folder that you may write: export WHERRY_STORE=/your/folder"


class reported:  # noqa: N801 - reads as a verb: with reported("write a blob", path)
    """A context in which an :class:`OSError` becomes a :class:`StoreError`: ``doing`` completes 'cannot ...'."""

    __slots__ = ("_doing", "_path")

    def __init__(self, doing: str, path: str) -> None:
        self._doing = doing
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise translated(error, self._doing, self._path) from error


def translated(error: OSError, doing: str, path: str) -> StoreError:
    """The store's error for ``error``, met while ``doing`` something in the store at ``path``."""
    if error.errno == errno.ENOSPC:
        return StoreFull(
            f"cannot {doing} in '{path}'",
            why=_what_is_full(path),
            hint=f"free space ('wherry prune' removes what no image needs), {_ELSEWHERE}",
        )
    if error.errno == errno.EDQUOT:
        return StoreFull(
            f"cannot {doing} in '{path}'",
            why="your disk quota there is used up",
            hint=f"free space ('wherry prune', 'wherry df'), {_ELSEWHERE}",
        )
    words = reason(error)
    if error.errno == errno.EROFS:
        return StoreError(f"cannot {doing} in '{path}'", why="the file system is read-only", hint=ANOTHER_PLACE)
    if error.errno in (errno.EACCES, errno.EPERM):
        where = f" at '{error.filename}'" if error.filename else ""
        return StoreError(f"cannot {doing} in '{path}'", why=f"permission denied{where}", hint=ANOTHER_PLACE)
    if error.errno in (errno.ESTALE, errno.EIO):
        return StoreError(f"cannot {doing} in '{path}'", why=words, hint="the file system has a problem; try again")
    where = f" ('{error.filename}')" if error.filename else ""
    if error.errno == errno.EEXIST and where and not os.path.isdir(error.filename):
        words, where = f"'{error.filename}' is not a folder", ""
    return StoreError(f"cannot {doing} in '{path}'", why=f"{words}{where}", hint=ANOTHER_PLACE)


def _what_is_full(path: str) -> str:
    try:
        found = os.statvfs(path)
    except OSError:
        return "no space is left on the file system"
    if found.f_files and not found.f_favail:
        return "the file system has no room for further files (inodes), though it may have bytes"
    from wherry.store.space import human

    return f"no space is left on the file system ({human(found.f_bavail * found.f_frsize)} free)"
