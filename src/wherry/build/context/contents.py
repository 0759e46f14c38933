"""The bytes of one file into another: shared where the file system can, else copied in the kernel, holes kept."""

from __future__ import annotations

import errno
import os

__all__ = ["copy_content"]

_FICLONE = 0x40049409
_SMALL = 128 * 1024
_MOST = 1 << 30
_NOT_HERE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY, errno.EBADF)
_unshared: set[tuple[int, int]] = set()
"""Pairs of file systems between which nothing can be shared: not asked again."""


def copy_content(source: int, target: int, found: os.stat_result) -> int:
    """Copy a whole file, which ``found`` describes; the bytes that came (holes counted), at most ``found.st_size``."""
    size = found.st_size
    if size <= _SMALL:
        return _read_and_write(source, target, 0, size)
    if _shared(source, target, found):
        return size
    if found.st_blocks * 512 < size:
        return _with_holes(source, target, size)
    return _in_kernel(source, target, 0, size)


def _shared(source: int, target: int, found: os.stat_result) -> bool:
    import fcntl

    pair = (found.st_dev, os.fstat(target).st_dev)
    if pair in _unshared:
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NOT_HERE and error.errno != errno.ENOTTY:
            raise
        _unshared.add(pair)
        return False
    return os.fstat(target).st_size == found.st_size


def _with_holes(source: int, target: int, size: int) -> int:
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        end = min(os.lseek(source, start, os.SEEK_HOLE), size)
        if start >= size:
            break
        if _in_kernel(source, target, start, end - start) < end - start:
            return start
        at = end
    os.ftruncate(target, size)
    return os.fstat(source).st_size if os.fstat(source).st_size < size else size


def _in_kernel(source: int, target: int, start: int, size: int) -> int:
    done = 0
    while done < size:
        try:
            copied = os.copy_file_range(source, target, min(size - done, _MOST), start + done, start + done)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            return done + _read_and_write(source, target, start + done, size - done)
        if not copied:  # also what some file systems answer that cannot do it
            return done + _read_and_write(source, target, start + done, size - done)
        done += copied
    return done


def _read_and_write(source: int, target: int, start: int, size: int) -> int:
    done = 0
    while done < size:
        chunk = os.pread(source, min(size - done, 1 << 20), start + done)
        if not chunk:
            break
        view = memoryview(chunk)
        at = start + done
        while view:
            written = os.pwrite(target, view, at)
            view, at = view[written:], at + written
        done += len(chunk)
    return done
