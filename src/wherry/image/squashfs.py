"""A squashfs file system, version 4.0: its superblock, checked against the bytes that there are, and decompressing.

The format: https://dr-emann.github.io/squashfs/ and the kernel's ``fs/squashfs/squashfs_fs.h``. What a machine can
decompress is tried: gzip, xz, lzma and zstd come with Python and Wherry, lz4 and lzo with their own libraries.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from wherry.base.errors import BrokenArchive, HostLacks, UnsupportedImage, WherryError

__all__ = ["COMPRESSIONS", "MAGIC", "SIZE", "Superblock", "decompressor", "read_superblock"]

MAGIC = b"hsqs"
_BIG_ENDIAN = b"sqsh"
SIZE = 96
COMPRESSIONS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
NOTHING = (1 << 64) - 1
"""Stands for a table that is not there."""

_FIELDS = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")
_NOT_COMPRESSED = 0x1 | 0x2 | 0x8
"""The flags of inodes, data and fragments that are stored as they are."""


class Superblock(msgspec.Struct, frozen=True):
    """Counts, and offsets in bytes from the beginning of the file system (:data:`NOTHING`: no such table)."""

    inodes: int
    created: int
    block_size: int
    fragments: int
    compression: str
    flags: int
    ids: int
    root: int
    size: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int

    @property
    def compressed(self) -> bool:
        return self.flags & _NOT_COMPRESSED != _NOT_COMPRESSED


def read_superblock(data: bytes, available: int, subject: str) -> Superblock:
    """The superblock at the beginning of a file system of which ``available`` bytes are there. Pure.

    Raises :class:`BrokenArchive` when it is none, contradicts itself or is cut; :class:`UnsupportedImage` for
    older versions.
    """
    if data.startswith(_BIG_ENDIAN):
        raise UnsupportedImage(
            f"'{subject}' cannot be read", why="its squashfs is of a big-endian machine, so older than version 4"
        )
    if len(data) < SIZE or not data.startswith(MAGIC):
        raise _broken(subject, "it holds no squashfs file system where one should begin")
    (
        _, inodes, created, block_size, fragments, compression, block_log, flags, ids, major, minor,
        root, size, id_table, xattr_table, inode_table, directory_table, fragment_table, _,
    ) = _FIELDS.unpack(data[:SIZE])  # fmt: skip
    if (major, minor) != (4, 0):
        raise UnsupportedImage(f"'{subject}' cannot be read", why=f"its squashfs has version {major}.{minor}, not 4.0")
    if compression not in COMPRESSIONS:
        raise UnsupportedImage(
            f"'{subject}' cannot be read", why=f"its squashfs has the unknown compression {compression}"
        )
    if block_log > 20 or block_size != 1 << block_log or block_size < 4096:
        raise _broken(subject, f"its squashfs has blocks of {block_size} bytes")
    if size > available:
        raise _broken(
            subject,
            f"its squashfs has {size} bytes, and {available} are there",
            hint="it may be cut: fetch or copy it again",
        )
    if size < SIZE or not inodes or not ids:
        raise _broken(subject, "its squashfs is empty")
    order = (SIZE, inode_table, directory_table, id_table, size)
    if list(order) != sorted(order) or not directory_table - inode_table >= 2:
        raise _broken(subject, "the tables of its squashfs lie outside of it")
    if any(at != NOTHING and not SIZE <= at < size for at in (fragment_table, xattr_table)):
        raise _broken(subject, "the tables of its squashfs lie outside of it")
    if fragments and fragment_table == NOTHING:
        raise _broken(subject, "its squashfs has no table of fragments")
    if (root >> 16) >= directory_table - inode_table:
        raise _broken(subject, "the root of its squashfs lies outside of it")
    return Superblock(
        inodes, created, block_size, fragments, COMPRESSIONS[compression], flags, ids, root, size,
        id_table, xattr_table, inode_table, directory_table, fragment_table,
    )  # fmt: skip


Decompress = Callable[[bytes, int], bytes]
"""From compressed bytes and the most that may come out; raises :class:`ValueError` for what is damaged."""


def decompressor(compression: str) -> Decompress:
    """How to decompress; raises :class:`HostLacks` where this machine cannot."""
    made: dict[str, Callable[[], Decompress]] = {
        "gzip": _gzip,
        "lzma": _lzma,
        "xz": _xz,
        "zstd": _zstd,
        "lz4": _lz4,
        "lzo": _lzo,
    }
    return made[compression]()


def _gzip() -> Decompress:
    import zlib

    def decompress(data: bytes, most: int) -> bytes:
        stream = zlib.decompressobj()
        try:
            found = stream.decompress(data, most + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        return _bounded(found, most)

    return decompress


def _lzma() -> Decompress:
    import lzma

    return _by_lzma(lzma.FORMAT_ALONE)


def _xz() -> Decompress:
    import lzma

    return _by_lzma(lzma.FORMAT_XZ)


def _by_lzma(form: int) -> Decompress:
    import lzma

    def decompress(data: bytes, most: int) -> bytes:
        stream = lzma.LZMADecompressor(form, memlimit=128 << 20)
        try:
            return _bounded(stream.decompress(data, most + 1), most)
        except (lzma.LZMAError, EOFError) as error:
            raise ValueError(str(error)) from None

    return decompress


def _bounded(found: bytes, most: int) -> bytes:
    if len(found) > most:
        raise ValueError("it unpacks to more than a block")
    return found


def _zstd() -> Decompress:
    import zstandard

    stream = zstandard.ZstdDecompressor(max_window_size=8 << 20)

    def decompress(data: bytes, most: int) -> bytes:
        try:
            if zstandard.frame_content_size(data) > most:
                raise ValueError("it unpacks to more than a block")
            return stream.decompress(data, max_output_size=most)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from None

    return decompress


def _lz4() -> Decompress:
    import ctypes

    function = _library("liblz4.so.1", "lz4").LZ4_decompress_safe

    def decompress(data: bytes, most: int) -> bytes:
        target = ctypes.create_string_buffer(most)
        length = function(data, target, len(data), most)
        if length < 0:
            raise ValueError("its lz4 data is damaged")
        return target.raw[:length]

    return decompress


def _lzo() -> Decompress:
    import ctypes

    function = _library("liblzo2.so.2", "lzo").lzo1x_decompress_safe
    function.argtypes = [
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_ulong),
        ctypes.c_void_p,
    ]

    def decompress(data: bytes, most: int) -> bytes:
        target, length = ctypes.create_string_buffer(most), ctypes.c_ulong(most)
        if function(data, len(data), target, ctypes.byref(length), None) != 0:
            raise ValueError("its lzo data is damaged")
        return target.raw[: length.value]

    return decompress


def _library(name: str, compression: str):  # type: ignore[no-untyped-def]  # ctypes finds the functions as it goes
    import ctypes

    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise HostLacks(
            f"this machine cannot read a squashfs with {compression} compression",
            why=f"'{name}' is not here ({error})",
            hint="ask your administrator for that library, or pack the image with zstd or gzip",
        ) from None


def damaged(subject: str, why: str) -> WherryError:
    return BrokenArchive(f"'{subject}' is damaged", why=why, hint="fetch or copy it again")


def _broken(subject: str, why: str, hint: str = "") -> BrokenArchive:
    return BrokenArchive(f"'{subject}' is not an image that can be used", why=why, hint=hint)
