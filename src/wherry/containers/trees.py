"""Removing writable layers: their directories may lack the very permissions that removing needs."""

from __future__ import annotations

import contextlib
import os
import stat

__all__ = ["remove_tree"]


def remove_tree(path: str) -> None:
    """Remove a folder with all in it, whatever its modes; symbolic links are never followed.

    Overlayfs leaves ``work/work`` with mode 000, and containers make directories as they like. Raises
    :class:`FileNotFoundError` when there is nothing, :class:`OSError` when something resists.
    """
    parent, _, name = path.rpartition("/")
    parent_descriptor = os.open(parent or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _remove(parent_descriptor, name)
    finally:
        os.close(parent_descriptor)


def _remove(parent: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    descriptor = _open_directory(parent, name)
    try:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o700)
        for entry in os.listdir(descriptor):
            with contextlib.suppress(FileNotFoundError):
                _remove(descriptor, entry)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


def _open_directory(parent: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        # fchmodat(2) follows symbolic links; that it is a directory was just seen, and it lies in our own folder.
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)
