"""The store's images as Docker lists them."""

from __future__ import annotations

import pytest

from wherry.base.digest import Digest
from wherry.base.errors import UsageError
from wherry.base.reference import Reference
from wherry.cli.imagerows import image_rows
from wherry.store import ImageRecord, Name, Store, open_at

OLD, NEW, LOST = (Digest.of(name) for name in (b"old", b"new", b"lost"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_at(f"{tmp_path_factory.mktemp('images')}/store")
    for content in (b"old", b"new", b"lost"):
        store.put_blob(content)
    for digest, created, size in ((OLD, "2019-01-01T00:00:00Z", 5_000_000), (NEW, "2024-05-01T00:00:00Z", 124_000_000)):
        store.put_image_record(ImageRecord(digest, size, (), created, "2024-06-01T00:00:00Z"))
    store.put_image_record(ImageRecord(LOST, 7, (), "2020-01-01T00:00:00Z", "2024-06-01T00:00:00Z"))
    for text, digest in (("debian:10", OLD), ("debian:12", NEW), ("quay.io/team/lab:1", NEW)):
        store.set_name(Reference.parse(text), Name(digest, None, "linux/amd64"))
    return store


def names(store: Store, pattern: str) -> list[str]:
    return [f"{row['Repository']}:{row['Tag']}" for row in image_rows(store, pattern, whole=False)]


def test_the_newest_image_comes_first_and_those_without_a_name_are_shown(store: Store) -> None:
    assert names(store, "") == ["debian:12", "quay.io/team/lab:1", "<none>:<none>", "debian:10"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("debian", ["debian:12", "debian:10"]),
        ("debian:12", ["debian:12"]),
        ("docker.io/library/debian", ["debian:12", "debian:10"]),
        ("quay.io/*", ["quay.io/team/lab:1"]),
        ("deb", []),
    ],
)
def test_a_name_or_pattern_chooses(store: Store, pattern: str, expected: list[str]) -> None:
    assert names(store, pattern) == expected


def test_sizes_and_ids_are_short_for_people_and_whole_for_programs(store: Store) -> None:
    short = image_rows(store, "debian:12", whole=False)[0]
    assert (short["ID"], short["Size"], short["Bytes"]) == (NEW.hex[:12], "124MB", 124_000_000)
    assert image_rows(store, "debian:12", whole=True)[0]["ID"] == str(NEW)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("dangling=true",), ["<none>:<none>"]),
        (("dangling=false", "reference=debian:1*"), ["debian:12", "debian:10"]),
        (("reference=*lab*",), ["quay.io/team/lab:1"]),
    ],
)
def test_filters_choose_as_dockers(store: Store, filters: tuple[str, ...], expected: list[str]) -> None:
    assert [f"{row['Repository']}:{row['Tag']}" for row in image_rows(store, "", filters=filters)] == expected


def test_an_unknown_filter_is_an_error(store: Store) -> None:
    with pytest.raises(UsageError, match="sinse=x"):
        image_rows(store, "", filters=("sinse=x",))
