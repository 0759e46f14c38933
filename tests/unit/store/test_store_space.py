from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from wherry.base.errors import NotFound, StoreError, StoreFull
from wherry.store import human, open_at, space, suggestion
from wherry.store.faults import reported, translated
from wherry.store.space import Quota, Space

GB = 1000**3


def answer(
    hard: int = 0, soft: int = 0, used: int = 0, files_hard: int = 0, files_soft: int = 0, files: int = 0
) -> bytes:
    return struct.pack("=8QI4x", hard, soft, used, files_hard, files_soft, files, 0, 0, 63)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_300_000_000, "1.3 GB"),
        (10**13, "10 TB"),
        (10**18, "1e+03 PB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_what_fits_is_no_error(tmp_path: Path) -> None:
    open_at(str(tmp_path / "s")).require_space(1000, "debian:12")


def test_what_does_not_fit_names_folder_and_sizes(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "s"))
    with pytest.raises(StoreFull) as caught:
        store.require_space(10**18, "the image 'debian:12'")
    assert caught.value.what == f"the image 'debian:12' needs 1e+03 PB in '{store.path}'"
    assert caught.value.why.endswith("are free there")
    assert "wherry prune" in caught.value.hint
    assert "WHERRY_STORE" in caught.value.hint


def test_a_quota_counts_where_it_is_tighter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "read_quota", lambda path: Quota(48 * GB, 50 * GB))
    assert space.measure(str(tmp_path)).free <= 2 * GB
    with pytest.raises(StoreFull) as caught:
        space.require(str(tmp_path), 3 * GB, "big")
    assert caught.value.why == "2 GB are left of your quota of 50 GB there"


def test_a_quota_of_files_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "read_quota", lambda path: Quota(0, 0, 1000, 1000))
    with pytest.raises(StoreFull, match="no further file"):
        space.require(str(tmp_path), 1, "big")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (answer(), None),
        (answer(used=500), None),
        (answer(hard=1000, used=4096), Quota(4096, 1024_000)),
        (answer(hard=1000, soft=800, used=4096), Quota(4096, 819_200)),
        (answer(soft=800), Quota(0, 819_200)),
        (answer(files_hard=10, files=3), Quota(0, 0, 3, 10)),
    ],
)
def test_the_kernels_answer_about_a_quota(data: bytes, expected: Quota | None) -> None:
    assert space.parse_quota(data) == expected


@pytest.mark.parametrize(
    ("user", "group", "expected"),
    [
        (None, None, None),
        (Quota(10, 100), None, Quota(10, 100)),
        (Quota(10, 100), Quota(900, 950), Quota(900, 950)),
        (Quota(10, 100), Quota(0, 0, 7, 8), Quota(10, 100, 7, 8)),
        (Quota(10, 100, 1, 100), Quota(20, 1000, 7, 8), Quota(10, 100, 7, 8)),
    ],
)
def test_the_tighter_of_the_users_and_the_groups_quota_counts(
    user: Quota | None, group: Quota | None, expected: Quota | None
) -> None:
    assert space.tightest([user, group]) == expected


def test_where_the_kernel_knows_no_quota_there_is_none() -> None:
    assert space.read_quota("/proc") is None
    assert space.read_quota("/nonexistent") is None


@pytest.mark.parametrize(
    ("used", "limit", "told"), [(79, 100, False), (80, 100, True), (100, 100, True), (5, 0, False)]
)
def test_a_limit_is_suggested_at_four_fifths_of_a_quota(
    monkeypatch: pytest.MonkeyPatch, used: int, limit: int, told: bool
) -> None:
    monkeypatch.setattr(space, "measure", lambda path: Space(1, 1, Quota(used * GB, limit * GB)))
    line = suggestion("/home/ann/w", lambda: 40 * GB, has_limit=False)
    assert bool(line) is told
    if told:
        assert f"{used} % used" in line
        assert "40 GB of it by images" in line
        assert 'store.max_size = "18G"' in line
    assert "max_size" not in suggestion("/home/ann/w", lambda: 40 * GB, has_limit=True)


def test_no_quota_no_suggestion(tmp_path: Path) -> None:
    assert suggestion(str(tmp_path / "none"), lambda: 1, has_limit=False) == ""


# ---- the kernel's errors


@pytest.mark.parametrize(
    ("number", "kind", "why"),
    [
        (errno.ENOSPC, StoreFull, "no space is left on the file system"),
        (errno.EDQUOT, StoreFull, "your disk quota there is used up"),
        (errno.EROFS, StoreError, "the file system is read-only"),
        (errno.EACCES, StoreError, "permission denied at '/s/layers'"),
        (errno.EPERM, StoreError, "permission denied"),
        (errno.ESTALE, StoreError, "stale file handle"),
        (errno.EIO, StoreError, "input/output error"),
        (errno.ENAMETOOLONG, StoreError, "file name too long ('/s/layers')"),
    ],
)
def test_each_error_of_the_kernel_names_folder_cause_and_remedy(
    tmp_path: Path, number: int, kind: type[StoreError], why: str
) -> None:
    error = translated(OSError(number, os.strerror(number), "/s/layers"), "write a blob", str(tmp_path))
    assert type(error) is kind
    assert error.what == f"cannot write a blob in '{tmp_path}'"
    assert why in error.why
    assert error.hint or number == errno.ENAMETOOLONG


def test_a_file_system_without_inodes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    fields = [*real[:10]]
    fields[5], fields[6], fields[7] = 1000, 0, 0
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    error = translated(OSError(errno.ENOSPC, "x"), "write", str(tmp_path))
    assert "inodes" in error.why


def test_only_the_kernels_errors_are_translated(tmp_path: Path) -> None:
    with pytest.raises(NotFound), reported("read", str(tmp_path)):
        raise NotFound("x")
    with pytest.raises(ZeroDivisionError), reported("read", str(tmp_path)):
        raise ZeroDivisionError
    with pytest.raises(StoreFull) as caught, reported("read", str(tmp_path)):
        raise OSError(errno.ENOSPC, "x")
    assert isinstance(caught.value.__cause__, OSError)
