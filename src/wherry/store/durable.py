"""Writing so that a crash at any moment shows the old state or the new one: tmp/, sync, rename, sync the folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

__all__ = ["fresh_path", "make_folder", "move", "read_small", "sync_file_system", "sync_folder", "write_file"]

_STALE = 3
"""How often a file that was replaced on its server while we read it (ESTALE) is opened anew."""

_RACES = 100
"""How often a folder that somebody else removes while we fill it is made again."""


def read_small(path: str) -> bytes | None:
    """A whole small file; None when there is none. Raises other :class:`OSError`."""
    for _ in range(_STALE):
        try:
            return _read_small(path)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return _read_small(path)


def _read_small(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = os.read(fd, 65536)
        if len(content) < 65536:
            return content
        while chunk := os.read(fd, 1 << 20):
            content += chunk
        return content
    finally:
        os.close(fd)


def write_file(root: str, path: str, data: bytes, *, sync: bool = True) -> None:
    """Put ``data`` at ``path`` atomically (an existing file is replaced), durable on return when ``sync``."""
    temporary = fresh_path(root)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        made = move(temporary, path)
    except BaseException:
        _unlink_quietly(temporary)
        raise
    if sync:
        sync_folders(os.path.dirname(path), root if made else None)


def move(source: str, target: str) -> bool:
    """rename(2), making the target's folder (then True); it may be removed and made again by others meanwhile."""
    for attempt in range(_RACES):
        try:
            os.rename(source, target)
            return attempt > 0
        except FileNotFoundError:
            if attempt == _RACES - 1 or not _exists(source):
                raise
            make_folder(os.path.dirname(target))
    return True


def make_folder(path: str) -> None:
    """Make ``path`` and missing parents, which their maker can enter whatever the umask; an existing one is fine."""
    for _ in range(_RACES):
        try:
            _make_folders(path)
            return
        except FileNotFoundError:
            continue  # a parent was removed, being empty, between its making and ours
    _make_folders(path)


def _make_folders(path: str) -> None:
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
            continue
        mode = os.stat(folder).st_mode & 0o7777
        if mode & 0o700 != 0o700:
            os.chmod(folder, mode | 0o700)


def fresh_path(root: str) -> str:
    """A path below ``tmp/`` that nothing has yet; the folder exists on return."""
    from wherry.store.processes import tmp_name

    folder = f"{root}/tmp"
    if not _exists(folder):
        make_folder(folder)
    return f"{folder}/{tmp_name()}"


def sync_folders(path: str, up_to: str | None) -> None:
    """:func:`sync_folder` of ``path`` and, when folders above it are new, of all up to ``up_to``."""
    while True:
        sync_folder(path)
        if up_to is None or len(path) <= len(up_to):
            return
        path = os.path.dirname(path)


def sync_folder(path: str) -> None:
    """Make the entries of a folder durable; file systems that cannot sync a folder need not.

    One that is gone again was emptied by somebody who removed what we put there: nothing is left to sync.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(fd)


def sync_file_system(path: str) -> None:
    """syncfs(2) of the file system that holds ``path``: one call for a tree of any size.

    Since Linux 5.8 it reports what could not be written back (no space, quota) as an :class:`OSError`.
    """
    import ctypes

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        except (OSError, AttributeError):
            os.sync()
            return
        if syncfs(fd) != 0:
            number = ctypes.get_errno()
            if number == errno.ENOSYS:
                os.sync()
                return
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)


def unlink_all(paths: Iterable[str]) -> None:
    """Remove files, whether they exist or not."""
    for path in paths:
        _unlink_quietly(path)


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError:
        return False
    return True
