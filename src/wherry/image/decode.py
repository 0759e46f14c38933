"""Decompressing layers: gzip (isa-l, else zlib), zstd, and what older tools made (bzip2, xz), by their first bytes.

Output comes in bounded chunks, so a bomb costs no memory; several members or frames in one stream are joined, as
pigz and eStargz make them; a stream that is cut is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, Protocol, cast

from wherry.base.errors import BrokenArchive

__all__ = ["Source", "decoded"]

CHUNK = 512 * 1024
"""Bytes of output at once."""

_INPUT = 256 * 1024
_WINDOW = 1 << 27
"""The largest zstd window, in bytes; it is memory that the image asks for. zstd's own default limit."""


class Source(Protocol):
    """Like a file: up to ``size`` bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decoded(source: Source, subject: str) -> Iterator[bytes]:
    """The uncompressed bytes of ``source``. Raises :class:`BrokenArchive` for a damaged or cut stream."""
    first = source.read(_INPUT)
    while len(first) < 8 and (more := source.read(_INPUT)):
        first += more
    if first.startswith(b"\x1f\x8b"):
        yield from _members(source, first, subject, "gzip")
    elif first.startswith(b"BZh"):
        yield from _members(source, first, subject, "bzip2")
    elif first.startswith(b"\xfd7zXZ\x00"):
        yield from _members(source, first, subject, "xz")
    elif first.startswith(b"\x28\xb5\x2f\xfd") or (first[1:4] == b"\x2a\x4d\x18" and 0x50 <= first[0] <= 0x5F):
        yield from _zstd(source, first, subject)
    else:
        yield first
        while chunk := source.read(_INPUT):
            yield chunk


def _members(source: Source, data: bytes, subject: str, kind: str) -> Iterator[bytes]:
    decompressor = _decompressor(kind)
    while True:
        try:
            chunk = decompressor.decompress(data, CHUNK)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise _broken(subject, f"its {kind} stream is damaged ({error})") from error
        except Exception as error:  # isal's and lzma's own classes, which cannot be named without importing them
            if type(error).__name__ not in ("IsalError", "LZMAError", "error"):
                raise
            raise _broken(subject, f"its {kind} stream is damaged ({error})") from error
        if chunk:
            yield chunk
        if decompressor.eof:
            data = _next_member(source, decompressor.unused_data)
            if not data:
                return
            decompressor = _decompressor(kind)
        elif decompressor.needs_input:
            data = source.read(_INPUT)
            if not data:
                raise _broken(subject, f"its {kind} stream ends too early")
        else:
            data = b""


def _next_member(source: Source, data: bytes) -> bytes:
    """What follows a member; zeros, with which some writers fill the last block, are nothing."""
    while True:
        data = data.lstrip(b"\0")
        if data:
            return data
        data = source.read(_INPUT)
        if not data:
            return b""


def _decompressor(kind: str) -> _Decompressor:
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind == "xz":
        import lzma

        return lzma.LZMADecompressor(memlimit=_WINDOW)
    try:
        from isal import igzip_lib
    except ImportError:
        return _Zlib()
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


class _Zlib:
    """zlib with the manners of the others."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


class _Joined:
    """``first``, then the rest of a source."""

    def __init__(self, first: bytes, source: Source) -> None:
        self._first = first
        self._source = source

    def read(self, size: int = _INPUT) -> bytes:
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        return self._source.read(size)


def _zstd(source: Source, first: bytes, subject: str) -> Iterator[bytes]:
    """A cut stream just ends here: the tar within, and the digest of what came out, tell that it was cut."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    joined = cast("IO[bytes]", _Joined(first, source))  # it is only read
    try:
        with decompressor.stream_reader(joined, read_size=_INPUT, read_across_frames=True, closefd=False) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except zstandard.ZstdError as error:
        raise _broken(subject, f"its zstd stream is damaged ({error})") from error


def _broken(subject: str, why: str) -> BrokenArchive:
    return BrokenArchive(
        f"'{subject}' cannot be unpacked", why=why, hint="pull it again; if it stays so, tell who made it"
    )
