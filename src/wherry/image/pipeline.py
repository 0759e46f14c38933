"""One layer from its compressed bytes to a finished folder, all steps at once, in bounded memory.

::

    downloader: chunks -> partial file, sha256 --queue--> decoder: inflate, sha256 --pipe--> wherry-unpack -> tree
                                                                                                  |
                                                                                table.zst <- zstd -+

Hashing, inflating, compressing and pipe writes release the interpreter's lock, so these threads run side by side.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, DigestMismatch, HostileArchive, Interrupted, StoreFull
from wherry.image.apply import Summary, Unpacking
from wherry.image.decode import decoded

__all__ = ["Unpacked", "most_bytes", "unpack"]

_QUEUED = 24
"""Chunks (of up to 256 KiB) between downloader and decoder."""

_RATIO = 1100
_FLOOR = 64 << 20
"""More than :data:`_RATIO` times the compressed size and this many bytes is a bomb: deflate cannot do it at all."""

_RESERVE = 16 << 20


class Unpacked(msgspec.Struct, frozen=True):
    """A finished, unpublished layer in ``work``."""

    work: str
    diff_id: Digest
    summary: Summary


def unpack(
    chunks: Callable[[], Iterable[bytes]],
    size: int,
    work: str,
    subject: str,
    *,
    expected: Digest | None,
    cancelled: threading.Event,
) -> Unpacked:
    """Unpack the (compressed) tar that ``chunks`` yields, about ``size`` bytes, into the folder ``work``.

    ``chunks`` runs in a thread of its own and raises if the compressed bytes are not what their digest says; only when
    it has ended normally and the tar is ``expected`` (any, when None) does this return. The caller removes ``work``
    after a failure.

    Raises :class:`DigestMismatch`, :class:`BrokenArchive`, :class:`HostileArchive`, :class:`StoreFull`,
    :class:`Interrupted` once ``cancelled`` is set, and what ``chunks`` raises.
    """
    queue = _Queue(cancelled)
    feeder = threading.Thread(target=_feed, args=(chunks, queue), name=f"download {subject}", daemon=True)
    limit, limited_by_space = _limit(size, work)
    unpacking = Unpacking(work, limit, subject)
    try:
        feeder.start()
        try:
            diff_id = _decode(queue, unpacking, subject, expected)
            summary = _finish(unpacking, limit, limited_by_space, subject)
        except BrokenArchive:
            # The reason may be that other bytes came than were asked for: that is the better message.
            queue.drain()
            raise
        finally:
            queue.stop()
            # A silent server would hold up who pressed Ctrl-C; the thread ends with the process.
            feeder.join(1.0 if cancelled.is_set() else None)
    finally:
        unpacking.abort()
    if expected is not None and diff_id != expected:
        raise DigestMismatch(
            f"'{subject}' is not what the image's configuration says",
            why=f"unpacked it is {diff_id}, expected {expected}",
            hint="pull it again; if it stays so, tell who made it",
        )
    return Unpacked(work, diff_id, summary)


def _decode(queue: _Queue, unpacking: Unpacking, subject: str, expected: Digest | None) -> Digest:
    hasher = (expected or _ANY).hasher()
    for chunk in decoded(queue, subject):
        hasher.update(chunk)
        if not unpacking.write(chunk):
            return hasher.digest()  # it failed: finish() tells why
    queue.drain()
    return hasher.digest()


_ANY = Digest("sha256", "")


def _finish(unpacking: Unpacking, limit: int, limited_by_space: bool, subject: str) -> Summary:
    try:
        return unpacking.finish()
    except HostileArchive as error:
        if limited_by_space and "unpacks to more than" in error.why:
            raise StoreFull(
                f"'{subject}' does not fit",
                why=f"it has over {limit} bytes, more than are free",
                hint="'wherry prune' frees what nothing uses; WHERRY_STORE puts the store elsewhere",
            ) from None
        raise


def most_bytes(size: int) -> int:
    """What so many compressed bytes may unpack to; more is a bomb."""
    return size * _RATIO + _FLOOR


def _limit(size: int, work: str) -> tuple[int, bool]:
    found = os.statvfs(work)
    free = max(found.f_bavail * found.f_frsize - _RESERVE, 1 << 20)
    bomb = most_bytes(size)
    return (free, True) if free < bomb else (bomb, False)


def _feed(chunks: Callable[[], Iterable[bytes]], queue: _Queue) -> None:
    stream = None
    try:
        stream = iter(chunks())
        for chunk in stream:
            if not queue.put(chunk):
                break
        queue.end(None)
    except BaseException as error:
        queue.end(error)
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


class _Queue:
    """Chunks on their way from one thread to another; what the feeder raised is raised where it is read."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None

    def put(self, chunk: bytes) -> bool:
        """Add a chunk, once there is room; False when nobody wants it any more."""
        with self._changed:
            while len(self._chunks) >= _QUEUED and not self._stopped and not self._cancelled.is_set():
                self._changed.wait(0.5)
            if self._stopped or self._cancelled.is_set():
                return False
            self._chunks.append(chunk)
            self._changed.notify()
        return True

    def end(self, error: BaseException | None) -> None:
        with self._changed:
            self._ended = True
            self._error = error
            self._changed.notify_all()

    def stop(self) -> None:
        """The reader has enough."""
        with self._changed:
            self._stopped = True
            self._chunks.clear()
            self._changed.notify_all()

    def read(self, size: int, /) -> bytes:
        """Like a file's: a chunk, at most ``size`` bytes, none at the end."""
        with self._changed:
            while not self._chunks and not self._ended and not self._cancelled.is_set():
                self._changed.wait(0.5)
            if self._cancelled.is_set():
                raise Interrupted("the download was interrupted", hint="the same command goes on where it stopped")
            if not self._chunks:
                if self._error is not None:
                    raise self._error
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            self._changed.notify()
            return chunk

    def drain(self) -> None:
        """Read to the end, so that the digest of the whole is known; raises what the feeder raised."""
        while self.read(1 << 30):
            pass
