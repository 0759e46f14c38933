"""Where saved images go: one tar file or pipe, or a folder. What cannot be finished is taken away again."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from wherry.base.errors import Conflict, ImageError, StoreFull, WherryError, reason, remedy

__all__ = ["Writer", "folder_writer", "tar_writer"]


class Writer(Protocol):
    """Takes named pieces in the order in which they come."""

    def folder(self, name: str) -> None: ...

    def add(self, name: str, size: int, chunks: Iterable[bytes], *, once: bool = False) -> None:
        """Write a piece of exactly ``size`` bytes; with ``once`` one that is there already, and as large, stays."""


@contextmanager
def tar_writer(path: str) -> Iterator[Writer]:
    """A tar at ``path``: a regular file appears when it is whole, a pipe or device is written as it comes; standard
    output (``/dev/stdout``), too, wherever it leads, behind what is there."""
    standard = path == "/dev/stdout"
    direct = standard or (os.path.exists(path) and not os.path.isfile(path))
    path = path if direct else os.path.realpath(path)
    work = path if direct else f"{path}.partial-{os.getpid()}"
    try:
        with _translated(path):
            mode = "wb" if direct else "xb"
            target = os.dup(1) if standard else work
            with open(target, mode, buffering=1 << 20) as file, tarfile.open(fileobj=file, mode="w|") as archive:
                yield _Tar(archive)
            if not direct:
                if os.path.exists(path):
                    os.chmod(work, stat.S_IMODE(os.stat(path).st_mode))
                os.rename(work, path)
    finally:
        if not direct:
            with contextlib.suppress(OSError):
                os.unlink(work)


@contextmanager
def folder_writer(path: str, ours: Iterable[str]) -> Iterator[Writer]:
    """A folder at ``path``, made when there is none; one that holds anything else than what one of ``ours`` marks is
    refused. What was new is removed when it cannot be finished."""
    path = os.path.abspath(path)
    with _translated(path):
        made = not os.path.lexists(path)
        if not made:
            _require_free(path, tuple(ours))
        writer = _Folder(path)
        try:
            if made:
                os.mkdir(path)
            yield writer
        except BaseException:
            writer.undo()
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            raise


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def folder(self, name: str) -> None:
        """Named, because skopeo cannot make up folders of its own without root."""
        header = tarfile.TarInfo(name)
        header.type, header.mode = tarfile.DIRTYPE, 0o755
        self._archive.addfile(header)

    def add(self, name: str, size: int, chunks: Iterable[bytes], *, once: bool = False) -> None:
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o644
        left = iter(chunks)
        self._archive.addfile(header, _Stream(left))
        if next(left, b""):  # who makes the chunks looks at their end whether they were the right ones
            raise ImageError(f"'{name}' is longer than it was", hint="again, when nothing changes the store")


class _Folder:
    def __init__(self, path: str) -> None:
        self._path = path
        self._made: list[str] = []

    def folder(self, name: str) -> None:
        place = f"{self._path}/{name}"
        if not os.path.isdir(place):
            os.mkdir(place)
            self._made.append(place)

    def add(self, name: str, size: int, chunks: Iterable[bytes], *, once: bool = False) -> None:
        place = f"{self._path}/{name}"
        new = not os.path.lexists(place)
        if once and not new and os.path.getsize(place) == size:
            return
        work = f"{place}.partial-{os.getpid()}"
        try:
            with open(work, "xb") as file:
                for chunk in chunks:
                    file.write(chunk)
            os.rename(work, place)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(work)
        if new:
            self._made.append(place)

    def undo(self) -> None:
        """Remove what was made, the last first."""
        for place in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(place) if os.path.isdir(place) else os.unlink(place)


class _Stream(io.RawIOBase):
    """An iterator of chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        pieces = []
        while size:
            if not self._left:
                self._left = memoryview(next(self._chunks, b""))
                if not self._left:
                    break
            piece = self._left[:size] if size > 0 else self._left
            self._left = self._left[len(piece) :]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _require_free(path: str, ours: tuple[str, ...]) -> None:
    if not os.path.isdir(path):
        raise Conflict(f"'{path}' is a file", why="a folder is to be written", hint="name another place, or remove it")
    if os.listdir(path) and not all(os.path.isfile(f"{path}/{name}") for name in ours):
        why = "and is not what an earlier image was written to"
        raise Conflict(f"the folder '{path}' holds something", why=why, hint="name a new one")


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # who reads has enough: no error of ours
    except WherryError:
        raise
    except OSError as error:
        kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else ImageError
        raise kind(f"'{path}' cannot be written", why=reason(error), hint=remedy(error, write=True)) from error
