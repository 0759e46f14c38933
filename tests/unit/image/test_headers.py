"""Headers of tar entries, as any reader of tars takes them."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.image.headers import Member, header

_PLAIN = st.text("abc/.-_ ", min_size=1, max_size=90).map(lambda text: f"x{text}".rstrip("/"))


@given(_PLAIN, st.integers(0, 0o7777), st.integers(0, 70_000), st.integers(0, (1 << 33) - 1), st.integers(0, 1 << 32))
def test_a_plain_one_is_that_of_tarfile(name: str, mode: int, owner: int, size: int, seconds: int) -> None:
    expected = tarfile.TarInfo(name)
    expected.mode, expected.uid, expected.size, expected.mtime = mode, owner, size, seconds
    found = header(Member(name, "file", mode, owner, 0, size, seconds * 10**9))
    assert found == expected.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", ["dir", "file", "symlink"])
@pytest.mark.parametrize(
    "name",
    ["n" * 100, "n" * 250, "ü" * 60, "a/" * 80 + "z", "not\udcfftext"],
    ids=["as long as fits", "longer", "not ASCII", "deep", "no text"],
)
def test_any_name_is_read_back(name: str, kind: str) -> None:
    target = "t" * 130 if kind == "symlink" else ""
    data = header(Member(name, kind, uid=5_000_000, mtime_ns=1_500_000_000, target=target)) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        (entry,) = tar.getmembers()
    assert (entry.name, entry.uid, entry.mtime, entry.linkname) == (name, 5_000_000, 1.5, target)


def test_devices_have_their_numbers() -> None:
    with tarfile.open(fileobj=io.BytesIO(header(Member("null", "char", 0o666, device=(1, 3))) + bytes(1024))) as tar:
        (entry,) = tar.getmembers()
    assert (entry.ischr(), entry.devmajor, entry.devminor) == (True, 1, 3)
