"""The superblock of a squashfs: what it says is compared with the bytes that there are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.base.errors import BrokenArchive, UnsupportedImage, WherryError
from wherry.image.squashfs import COMPRESSIONS, Superblock, decompressor, read_superblock

FIELDS = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")
NAMES = (
    *("magic", "inodes", "created", "block_size", "fragments", "compression", "log", "flags", "ids", "major", "minor"),
    *("root", "size", "id_table", "xattr_table", "inode_table", "directory_table", "fragment_table", "export_table"),
)
GOOD: dict[str, bytes | int] = dict(
    zip(
        NAMES,
        (b"hsqs", 9, 5, 1 << 17, 1, 6, 17, 0, 1, 4, 0, 0, 5000, 4900, (1 << 64) - 1, 4000, 4500, 4800, (1 << 64) - 1),
        strict=True,
    )
)


def superblock(**changes: bytes | int) -> bytes:
    return FIELDS.pack(*{**GOOD, **changes}.values())


def test_a_good_one_is_read() -> None:
    found = read_superblock(superblock(), 5000, "it")
    assert isinstance(found, Superblock)
    assert (found.inodes, found.block_size, found.compression, found.size) == (9, 131072, "zstd", 5000)


@pytest.mark.parametrize("changes", [
    {"magic": b"hsqx"}, {"block_size": 1000}, {"block_size": 1 << 17, "log": 16}, {"block_size": 1 << 21, "log": 21},
    {"log": 40}, {"size": 5001}, {"size": 1 << 63}, {"size": 10}, {"inodes": 0}, {"ids": 0}, {"inode_table": 4600},
    {"directory_table": 1 << 63}, {"id_table": 6000}, {"fragment_table": 9000}, {"xattr_table": 9000},
    {"root": 600 << 16}, {"fragment_table": (1 << 64) - 1},
], ids=str)  # fmt: skip
def test_one_that_contradicts_itself_is_refused(changes: dict[str, bytes | int]) -> None:
    with pytest.raises(BrokenArchive):
        read_superblock(superblock(**changes), 5000, "it")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"major": 3}, "version 3.0"),
        ({"minor": 1}, "version 4.1"),
        ({"compression": 9}, "compression 9"),
        ({"magic": b"sqsh"}, "big-endian"),
    ],
    ids=str,
)
def test_others_are_refused_by_name(changes: dict[str, bytes | int], why: str) -> None:
    with pytest.raises(UnsupportedImage, match=why):
        read_superblock(superblock(**changes), 5000, "it")


def test_a_cut_file_says_how_much_is_there() -> None:
    with pytest.raises(BrokenArchive, match="5000 bytes, and 3000 are there"):
        read_superblock(superblock(), 3000, "it")


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=0, max_size=96), st.integers(0, 96))
def test_any_bytes_are_read_or_refused(data: bytes, at: int) -> None:
    whole = bytearray(superblock())
    whole[at : at + len(data)] = data
    try:
        found = read_superblock(bytes(whole), 5000, "it")
    except WherryError:
        return
    assert found.size <= 5000


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS.values()))
def test_damaged_data_is_a_value_error(compression: str) -> None:
    with pytest.raises(ValueError):
        decompressor(compression)(b"\x8f\xff\x00nonsense" * 10, 4096)


def test_no_more_comes_out_than_asked_for() -> None:
    import lzma
    import zlib

    import zstandard

    bomb = bytes(1 << 20)
    cases = {"gzip": zlib.compress(bomb), "xz": lzma.compress(bomb), "zstd": zstandard.compress(bomb)}
    for compression, data in cases.items():
        with pytest.raises(ValueError):
            decompressor(compression)(data, 8192)
