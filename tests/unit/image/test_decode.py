"""Every compression, with and without isa-l, in pieces of any size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.errors import BrokenArchive
from wherry.image.decode import CHUNK, decoded

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
_CONTENT = b"tar" + os.urandom(3000) * 200 + bytes(1_000_000)


class _Trickle(io.BytesIO):
    """Gives at most ``most`` bytes at once, as a network does."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which library inflates: isa-l is an optional dependency."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    return str(request.param)


@pytest.mark.parametrize("kind", sorted(_PACKERS))
@pytest.mark.parametrize("most", [1 << 20, 4093])
def test_every_compression_is_undone_in_bounded_pieces(library: str, kind: str, most: int) -> None:
    chunks = list(decoded(_Trickle(_PACKERS[kind](_CONTENT), most), "x"))
    assert b"".join(chunks) == _CONTENT
    assert max(map(len, chunks)) <= CHUNK


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_cut_stream_is_an_error(library: str, kind: str) -> None:
    packed = _PACKERS[kind](_CONTENT)
    for cut in (1, 7, len(packed) // 2):
        with pytest.raises(BrokenArchive):
            list(decoded(_Trickle(packed[:-cut], 1 << 16), "x"))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_a_damaged_stream_is_an_error_of_ours(library: str, kind: str) -> None:
    packed = bytearray(_PACKERS[kind](os.urandom(100_000)))
    for position in range(12, len(packed), len(packed) // 12):
        damaged = bytes(packed[:position]) + b"\xa5\x5a\xa5\x5a" + bytes(packed[position + 4 :])
        try:
            found = b"".join(decoded(_Trickle(damaged, 1 << 16), "x"))
        except BrokenArchive:
            continue
        assert kind == "zstd"  # it may have no checksum of its own: the digest of what comes out tells
        assert len(found) <= 100_000


def test_joined_members_and_zeros_behind_them_are_one_stream(library: str) -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two") + bytes(1000)
    for most in (1, 3, 1 << 16):
        assert b"".join(decoded(_Trickle(packed, most), "x")) == b"onetwo"


def test_a_window_larger_than_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packed.compress(bytes(100)) + packed.flush()
    with pytest.raises(BrokenArchive, match="zstd"):
        list(decoded(io.BytesIO(data), "x"))


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        found = b"".join(decoded(io.BytesIO(data), "x"))
    except BrokenArchive:
        return
    assert found == data or data[:1] in (b"\x1f", b"B", b"\xfd", b"\x28") or data[1:4] == b"\x2a\x4d\x18"
