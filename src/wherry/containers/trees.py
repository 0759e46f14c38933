"""Removing writable layers: their directories may lack the very permissions that removing needs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

__all__ = ["remove_at", "remove_tree"]


def remove_tree(path: str) -> None:
    """Remove a folder with all in it, whatever its modes and depth; symbolic links are never followed.

    Overlayfs leaves ``work/work`` with mode 000, and containers make directories as they like, thousands below each
    other too: so full ones are moved to the top and emptied there, which needs neither recursion nor descriptors.
    Raises :class:`FileNotFoundError` when there is nothing, :class:`OSError` when something resists. What other ids of
    the user's subordinate range left goes too.
    """
    try:
        _remove_own(path)
    except PermissionError as error:
        _remove_of_all_ids(path, error)


def _remove_of_all_ids(path: str, resisted: PermissionError) -> None:
    from wherry.base.errors import HostLacks
    from wherry.host import as_all_ids

    try:
        as_all_ids(lambda: _remove_own(path))
    except HostLacks:
        raise resisted from None


def _remove_own(path: str) -> None:
    parent_path, _, name = path.rpartition("/")
    parent = os.open(parent_path or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_at(parent, name)
    finally:
        os.close(parent)


def remove_at(parent: int, name: str) -> None:
    """As :func:`remove_tree`, below an open directory."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    top = _open_directory(parent, name)
    try:
        while names := os.listdir(top):
            for entry in names:
                _remove_entry(top, entry, top)
    finally:
        os.close(top)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)


def _remove_entry(folder: int, name: str, top: int) -> None:
    """Remove a file or an empty directory; of a full one, what is in it, its own full ones having gone to the top."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            return
        try:
            os.rmdir(name, dir_fd=folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if folder != top:
            os.chmod(name, 0o700, dir_fd=folder)  # or it may not be moved; it was just seen to be no link
            os.rename(name, f".{os.urandom(8).hex()}", src_dir_fd=folder, dst_dir_fd=top)
            return
        inside = _open_directory(folder, name)
        try:
            for entry in os.listdir(inside):
                _remove_entry(inside, entry, top)
        finally:
            os.close(inside)
        os.rmdir(name, dir_fd=folder)


def _open_directory(parent: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        # fchmodat(2) follows symbolic links; that it is a directory was just seen, and it lies in our own folder.
        os.chmod(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, flags, dir_fd=parent)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o700)
    return descriptor
