"""The folders that Wherry uses, and what their file systems can and cannot do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from wherry.host.facts import Storage
from wherry.host.filesystems import existing, filesystem_type, is_remote

__all__ = ["find_storage"]

_MEMORY = ("tmpfs", "ramfs", "rootfs")


def find_storage(folders: Mapping[str, str]) -> tuple[Storage, ...]:
    """One description for each ``purpose: path``; a folder that is not there is described by its nearest parent."""
    return tuple(_describe(purpose, path) for purpose, path in folders.items() if path)


def _describe(purpose: str, path: str) -> Storage:
    kind = filesystem_type(path)
    place = existing(path)
    try:
        found = os.statvfs(place)
    except OSError:
        return Storage(purpose, path, kind, is_remote(kind), kind in _MEMORY)
    return Storage(
        purpose=purpose,
        path=path,
        kind=kind,
        remote=is_remote(kind),
        memory=kind in _MEMORY,
        noexec=bool(found.f_flag & os.ST_NOEXEC),
        read_only=bool(found.f_flag & os.ST_RDONLY),
        free=found.f_bavail * found.f_frsize,
        xattrs=_takes_attributes(place),
    )


def _takes_attributes(place: str) -> bool | None:
    """Whether a file there takes a ``user.*`` attribute, by which whiteouts and opaque directories are marked."""
    if not os.path.isdir(place) or not os.access(place, os.W_OK | os.X_OK):
        return None
    try:  # a file without a name: nothing is left, whatever happens
        file = os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return _named_takes_attributes(f"{place}/.wherry-trial-{os.getpid()}")
    try:
        return _sets(file)
    finally:
        os.close(file)


def _named_takes_attributes(path: str) -> bool | None:
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        return _sets(file)
    finally:
        os.close(file)
        with contextlib.suppress(OSError):
            os.unlink(path)


def _sets(file: int) -> bool:
    try:
        os.setxattr(file, "user.wherry", b"1")
    except OSError:
        return False
    return True
