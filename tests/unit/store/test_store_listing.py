"""A listing says what the store holds, whether it read it now or remembers it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stores import add_image, digest_of
from wherry.base.reference import Reference
from wherry.store import ImageRecord, Name, Store, listed, open_at


def names_of(store: Store) -> list[str]:
    return sorted(str(reference) for reference, _ in listed(store).names)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in which nothing counts as too young to be remembered: the tests need not wait."""
    monkeypatch.setattr("wherry.store.listing._YOUNG_NS", -1_000_000_000)
    return open_at(str(tmp_path / "store"))


def next_tick(store: Store) -> None:
    """Wait until the file system's clock has gone on, so that what comes next has another stamp."""
    first = None
    while True:
        Path(f"{store.path}/tick").write_text("")
        now = os.stat(f"{store.path}/tick").st_mtime_ns
        first = first or now
        if now != first:
            return


def kept(store: Store) -> list[str]:
    return [entry.path for entry in os.scandir(f"{store.path}/listed")]


def test_a_listing_is_what_names_and_records_say(store: Store) -> None:
    add_image(store, "a", names=("debian:12", "quay.io/team/lab:1", "quay.io/team/lab/deep:2"))
    add_image(store, "b", "a", names=("localhost:5000/x:y",), reference="")
    add_image(store, "c")
    for _ in range(2):  # read, then remembered
        found = listed(store)
        assert sorted(found.names) == sorted(store.names())
        assert found.records == tuple(store.image_records())


def test_what_did_not_change_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_image(store, "a", names=("debian:12", "debian:13"))
    before = listed(store)

    def no_reading(path: str) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr("wherry.store.durable.read_small", no_reading)
    monkeypatch.setattr("wherry.store.store.read_small", no_reading)
    assert listed(store) == before


def test_every_change_is_seen(store: Store) -> None:
    first, second = add_image(store, "a", names=("debian:12",)), add_image(store, "b")
    assert names_of(store) == ["docker.io/library/debian:12"]
    next_tick(store)
    store.set_name(Reference.parse("debian:12"), Name(second))
    assert [name.digest for _, name in listed(store).names] == [second]
    next_tick(store)
    store.set_name(Reference.parse("debian/more:1"), Name(first))
    store.set_name(Reference.parse("ghcr.io/a/b/c:1"), Name(first))
    assert names_of(store) == [
        "docker.io/debian/more:1", "docker.io/library/debian:12", "ghcr.io/a/b/c:1"
    ]  # fmt: skip
    next_tick(store)
    store.remove_name(Reference.parse("ghcr.io/a/b/c:1"))
    assert names_of(store) == ["docker.io/debian/more:1", "docker.io/library/debian:12"]
    next_tick(store)
    store.put_image_record(ImageRecord(first, 77, (digest_of("a").hex,)))
    assert {record.digest: record.size for record in listed(store).records}[first] == 77
    next_tick(store)
    os.unlink(store.record_path(second))
    assert [record.digest for record in listed(store).records] == [first]


def test_what_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    add_image(store, "a", names=("debian:12",))
    listed(store)
    path = store.name_path(Reference.parse("debian:12"))
    stamp = os.stat(os.path.dirname(path))
    Path(path).write_text(f"{digest_of('other')}\n\n\n")  # as a change within one tick of the clock would be
    assert os.stat(os.path.dirname(path)).st_mtime_ns == stamp.st_mtime_ns
    assert [name.digest for _, name in listed(store).names] == [digest_of("other")]


def test_a_damaged_memory_is_made_anew(store: Store) -> None:
    add_image(store, "a", names=("debian:12",))
    before = listed(store)
    [path] = kept(store)
    for content in (b"", b"\x00\xff nonsense", Path(path).read_bytes()[:-7]):
        Path(path).write_bytes(content)
        assert listed(store) == before


def test_a_store_that_cannot_be_written_is_listed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_image(store, "a", names=("debian:12",))
    monkeypatch.setattr(Store, "writable", False)
    assert names_of(store) == ["docker.io/library/debian:12"]
    assert not os.path.exists(f"{store.path}/listed")


def test_the_users_own_name_hides_the_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.store.listing._YOUNG_NS", -1_000_000_000)
    site = open_at(str(tmp_path / "site"))
    theirs = add_image(site, "a", names=("debian:12", "site/tool:1"))
    store = open_at(str(tmp_path / "own"), [site.path])
    own = add_image(store, "b", names=("debian:12",))
    for _ in range(2):
        found = {reference.familiar: name.digest for reference, name in listed(store).names}
        assert found == {"debian:12": own, "site/tool:1": theirs}
        assert {record.digest for record in listed(store).records} == {own, theirs}
    assert not os.path.exists(f"{site.path}/listed")


def test_looking_where_no_store_is_makes_none(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "none"), make=False)
    assert listed(store) == listed(store)
    assert not (tmp_path / "none").exists()
    (tmp_path / "none").mkdir()
    listed(store)
    assert os.listdir(tmp_path / "none") == []
