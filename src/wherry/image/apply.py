"""Applying a layer: the native program makes the tree, this end feeds it and keeps its table and its summary."""

from __future__ import annotations

import contextlib
import errno
import os
import threading

import msgspec

from wherry.base.errors import BrokenArchive, HostileArchive, ImageError, StoreError, WherryError, reason
from wherry.image.faults import storage_failure
from wherry.image.native import program

__all__ = ["Summary", "Unpacking"]

_PIPE_SIZE = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ
_WRITERS = 2
_TABLE_LEVEL = 3


class Summary(msgspec.Struct, frozen=True):
    """What came of a layer (``native/unpack/report.h``); paths are relative to the tree.

    ``links`` are hard links that are still to be made, as path, target, and whether the layer has named the target
    itself (else it is an earlier layer's); ``implicit`` are directories that entries needed and the archive did not
    name; ``open`` are directories that everybody may write, with their modes, and ``closed`` says that something has
    fewer permissions on disk than in the archive; ``refused`` counts extended attributes that the file system did not
    take.
    """

    entries: int
    bytes: int
    whiteouts: int
    devices: int
    refused: int
    overlay: bool
    rebuildable: bool
    links: tuple[tuple[str, str, bool], ...]
    implicit: tuple[str, ...]
    closed: bool
    open: tuple[tuple[str, int], ...]


class _Failure(msgspec.Struct, frozen=True):
    kind: str
    errno: int
    path: str
    why: str


class _Report(msgspec.Struct, frozen=True):
    error: _Failure


class Unpacking:
    """A layer being unpacked into ``work/tree`` and ``work/table.zst``.

    ``write`` the uncompressed tar, then ``finish``; ``abort`` in any case when done (it is harmless after ``finish``).
    ``limit``: so many bytes of tar are too many. One thread writes. Nothing is synced.
    """

    def __init__(self, work: str, limit: int, subject: str) -> None:
        self._subject = subject
        self._folder = work
        tree = f"{work}/tree"
        os.mkdir(tree, 0o755)
        self._pid, self._input, table, self._report = _start(program(), tree, limit)
        self._table_failure: Exception | None = None
        self._keeper = threading.Thread(target=self._keep_table, args=(table, f"{work}/table.zst"), daemon=True)
        self._keeper.start()

    def write(self, data: bytes) -> bool:
        """Pass on a part of the stream; False when the program has given up: ``finish`` says why."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._input, view) :]
        except BrokenPipeError:
            return False
        return True

    def finish(self) -> Summary:
        """The end of the stream. Raises :class:`HostileArchive`, :class:`BrokenArchive`, :class:`StoreFull`..."""
        self._close_input()
        report = _read_all(self._report)
        self._keeper.join()
        status = self._wait()
        if self._table_failure is not None:
            raise self._translated_table_failure()
        if status == 0:
            return _decoded_summary(report)
        if not report:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise ImageError(f"'{self._subject}' cannot be unpacked", why=f"wherry-unpack ended with {how}")
        raise self._translated(msgspec.json.decode(report, type=_Report).error)

    def abort(self) -> None:
        """End the program if it still runs, and free what it used. The work folder is left."""
        self._close_input()
        if self._pid:
            import signal

            os.kill(self._pid, signal.SIGKILL)
            self._wait()
        self._keeper.join()
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    def _close_input(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def _wait(self) -> int:
        """The exit status, negative for a signal."""
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _keep_table(self, descriptor: int, path: str) -> None:
        import zstandard

        try:
            with os.fdopen(descriptor, "rb", buffering=0) as source, open(path, "xb", buffering=0) as target:
                compressor = zstandard.ZstdCompressor(level=_TABLE_LEVEL, write_checksum=True)
                compressor.copy_stream(source, target, read_size=256 * 1024, write_size=256 * 1024)
        except (OSError, zstandard.ZstdError) as error:
            self._table_failure = error

    def _translated_table_failure(self) -> WherryError:
        error = self._table_failure
        if isinstance(error, OSError) and error.errno:
            return self._io_failure(error.errno, "cannot keep the layer's table", "")
        return StoreError(f"'{self._subject}' cannot be unpacked", why=str(error))

    def _translated(self, failure: _Failure) -> WherryError:
        path = _path(failure.path)
        at = f"at '{printable(path)}': " if path else ""
        if failure.kind == "io":
            return self._io_failure(failure.errno, failure.why, path)
        if failure.kind == "hostile":
            hint = "such a layer is made on purpose or by a broken tool: do not use this image before you know which"
            return HostileArchive(f"'{self._subject}' is refused", why=f"{at}{failure.why}", hint=hint)
        return BrokenArchive(f"'{self._subject}' cannot be unpacked", why=f"{at}{failure.why}")

    def _io_failure(self, number: int, why: str, path: str) -> WherryError:
        folder = os.path.dirname(os.path.dirname(self._folder))
        if number in (errno.ENOSPC, errno.EDQUOT):
            return storage_failure(OSError(number, f"{why}: {os.strerror(number)}"), self._subject, folder)
        reason = f": {os.strerror(number).lower()}" if number else ""
        at = f" '{printable(path)}'" if path else ""
        return StoreError(f"'{self._subject}' cannot be unpacked into '{folder}'", why=f"{why}{at}{reason}")


def printable(path: str) -> str:
    """``path`` for a message: nothing in it steers a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char) & 0xFF:02x}" for char in path[:200])


def _start(path: str, tree: str, limit: int) -> tuple[int, int, int, int]:
    """The process id, and our ends of its standard input, its table and its report."""
    import fcntl

    ours: list[int] = []
    theirs: list[int] = []
    try:
        for number in (0, 3, 4):
            reading, writing = os.pipe()
            mine, yours = (writing, reading) if number == 0 else (reading, writing)
            ours.append(mine)
            # Out of the way of the numbers that the program wants them under.
            theirs.append(fcntl.fcntl(yours, fcntl.F_DUPFD_CLOEXEC, 10))
            os.close(yours)
            if number == 0:
                with contextlib.suppress(OSError):  # a user with many pipes gets small ones
                    fcntl.fcntl(writing, _SET_PIPE_SIZE, _PIPE_SIZE)
        actions = [(os.POSIX_SPAWN_DUP2, source, number) for source, number in zip(theirs, (0, 3, 4), strict=True)]
        pid = os.posix_spawn(path, [path, tree, str(limit), str(_WRITERS)], {}, file_actions=actions)
    except OSError as error:
        for descriptor in ours:
            os.close(descriptor)
        raise StoreError(f"cannot start '{path}'", why=reason(error)) from error
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    return pid, ours[0], ours[1], ours[2]


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _decoded_summary(report: bytes) -> Summary:
    found = msgspec.json.decode(report, type=Summary)
    if not found.links and not found.implicit and not found.open:
        return found
    links = tuple((_path(path), _path(target), own) for path, target, own in found.links)
    opened = tuple((_path(path), mode) for path, mode in found.open)
    return msgspec.structs.replace(found, links=links, implicit=tuple(map(_path, found.implicit)), open=opened)


def _path(text: str) -> str:
    """The report has a character a byte."""
    return os.fsdecode(text.encode("latin-1"))
