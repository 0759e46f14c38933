"""The files in which downloads gather have one writer each."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from wherry.base.digest import Digest
from wherry.store import Store, open_at

DIGEST = Digest.of(b"content")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def test_what_was_left_is_gone_on_with(store: Store) -> None:
    with store.partial(DIGEST) as path:
        Path(path).write_bytes(b"con")
    with store.partial(DIGEST) as again:
        assert (again, Path(again).read_bytes()) == (path, b"con")


def test_a_second_writer_gets_a_file_of_its_own(store: Store) -> None:
    with store.partial(DIGEST) as first, store.partial(DIGEST) as second:
        assert first != second and os.path.dirname(first) == os.path.dirname(second)
        Path(first).write_bytes(b"first")
        Path(second).write_bytes(b"second")
        assert Path(first).read_bytes() == b"first"
    assert os.listdir(os.path.dirname(first)) == [DIGEST.hex]


def test_a_file_that_was_taken_away_is_made_anew(store: Store) -> None:
    """By the first one, which found it to be wrong: who comes then must not write into what has no name."""
    with store.partial(DIGEST) as first:
        Path(first).write_bytes(b"wrong")
        os.unlink(first)
        with store.partial(DIGEST) as second:
            Path(second).write_bytes(b"right")
            with store.partial(DIGEST) as third:
                assert third != second
    assert Path(first).read_bytes() == b"right"


def test_nothing_is_left_of_what_never_began(store: Store) -> None:
    with store.partial(DIGEST) as path:
        assert os.path.exists(path)
    assert os.listdir(os.path.dirname(path)) == []


def test_a_file_system_without_locks_serves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none)
    with store.partial(DIGEST) as path:
        assert path == store.partial_path(DIGEST)


def test_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    os.symlink(tmp_path / "mine", store.partial_path(DIGEST))
    with pytest.raises(Exception, match="download a layer"), store.partial(DIGEST):
        pass
