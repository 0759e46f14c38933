"""A layer's tar on its way: hashed, and compressed to a blob, beside the thread that reads the files.

Compressed bytes depend on the tar and the compressor's version alone: no name, no time, and the parts in which several
processors work are cut by size. So the same layer has the same digest every time. gzip is made by ISA-L, several times
as fast as zlib; zstd is the better choice where nobody needs gzip.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from queue import Queue
from typing import TYPE_CHECKING, Protocol

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import UsageError
from wherry.image.making.values import COMPRESSIONS
from wherry.image.model import Descriptor

if TYPE_CHECKING:
    from concurrent.futures import Future
    from io import FileIO

__all__ = ["Blob", "Hashing", "layer_type"]

_QUEUED = 16
"""Chunks (of a MiB or less) between the reader and whoever works on them."""

_PART = 1 << 20
_ZSTD_LEVEL = 3
_ISAL_LEVEL = 2
"""Of three: the third makes 2.6 % less of 48,000 files of software, and takes 1.7 times as long."""


def layer_type(compression: str) -> str:
    """The media type of a layer."""
    return f"application/vnd.oci.image.layer.v1.tar{'+' if compression else ''}{compression}"


class Worker:
    """Calls ``work`` with each chunk, in a thread of its own; what it raises is raised by :meth:`finish`."""

    def __init__(self, work: Callable[[bytes], object], name: str) -> None:
        self._work = work
        self._queue: Queue[bytes | None] = Queue(_QUEUED)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, chunk: bytes) -> None:
        """Waits while the thread is far behind."""
        self._queue.put(chunk)

    def finish(self) -> None:
        self.stop()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """The end, also after a failure elsewhere. Idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._work(chunk)
                except BaseException as error:
                    self._failure = error  # the rest is taken and thrown away, or the reader would wait for ever


class Hashing:
    """The tar's digest and its length. What is but one chunk needs no thread."""

    def __init__(self) -> None:
        self._hasher = Hasher()
        self._first: bytes | None = None
        self._worker: Worker | None = None
        self.size = 0

    def put(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._worker is None:
            if self._first is None:
                self._first = chunk
                return
            self._worker = Worker(self._hasher.update, "hash")
            self._worker.put(self._first)
        self._worker.put(chunk)

    def finish(self) -> Digest:
        if self._worker is not None:
            self._worker.finish()
        elif self._first is not None:
            self._hasher.update(self._first)
        return self._hasher.digest()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()


class _Compressor(Protocol):
    def add(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def stop(self) -> None: ...


class Blob:
    """The compressed tar as a file at ``path``, which must not exist."""

    def __init__(self, path: str, compression: str) -> None:
        if compression not in COMPRESSIONS:
            raise UsageError(f"'{compression}' is no compression of layers", hint=", ".join(COMPRESSIONS))
        self.path = path
        self._type = layer_type(compression)
        self._hasher = Hasher()
        self._size = 0
        self._file: FileIO = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by finish or stop
        self._compressor: _Compressor = _Gzip() if compression == "gzip" else _Zstd()
        self._worker = Worker(self._add, "compress")

    def put(self, chunk: bytes) -> None:
        self._worker.put(chunk)

    def finish(self) -> Descriptor:
        """The blob's description; the file is whole, and not synced."""
        self._worker.finish()
        self._write(self._compressor.end())
        self.stop()
        return Descriptor(self._type, self._hasher.digest(), self._size)

    def stop(self) -> None:
        self._worker.stop()
        self._compressor.stop()
        self._file.close()

    def _add(self, chunk: bytes) -> None:
        self._write(self._compressor.add(chunk))

    def _write(self, data: bytes) -> None:
        self._hasher.update(data)
        self._size += len(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        # With threads the output does not depend on how many there are; without any it would be another.
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=_processors()).compressobj()

    def add(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def end(self) -> bytes:
        return self._stream.flush()

    def stop(self) -> None:
        return


class _Gzip:
    """One gzip member of parts that are compressed side by side, each ended on a byte (RFC 1951, 3.2.4)."""

    def __init__(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(_processors(), thread_name_prefix="deflate")
        self._parts: deque[Future[bytes]] = deque()
        self._left = bytearray()
        self._begin = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, no system
        self._check = 0
        self._length = 0

    def add(self, data: bytes) -> bytes:
        self._check = zlib.crc32(data, self._check)
        self._length += len(data)
        self._left += data
        done, self._begin = [self._begin], b""
        while len(self._left) >= _PART:
            self._parts.append(self._pool.submit(_deflated, bytes(self._left[:_PART])))
            del self._left[:_PART]
        while len(self._parts) > 2 * _processors():
            done.append(self._parts.popleft().result())
        return b"".join(done)

    def end(self) -> bytes:
        done = [self._begin, *(part.result() for part in self._parts), _deflated(bytes(self._left), last=True)]
        self._parts.clear()
        return b"".join(done) + struct.pack("<II", self._check, self._length & 0xFFFFFFFF)

    def stop(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _deflated(data: bytes, *, last: bool = False) -> bytes:
    try:
        from isal import isal_zlib
    except ImportError:
        stream = zlib.compressobj(6, wbits=-15)
        return stream.compress(data) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    fast = isal_zlib.compressobj(_ISAL_LEVEL, wbits=-15)
    found: bytes = fast.compress(data) + fast.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH)
    return found


def _processors() -> int:
    return max(1, min(8, len(os.sched_getaffinity(0))))
