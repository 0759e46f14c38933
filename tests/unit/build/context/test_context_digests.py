"""The digest of what a COPY copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layers import file, stack, tar_of
from wherry.base.digest import Digest
from wherry.base.errors import NotFound, WherryError
from wherry.build.context import digest, layers_root, select
from wherry.store import Store


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "dir").mkdir(parents=True)
    for number in range(40):
        (root / "dir" / f"f{number}").write_text(str(number))
    (root / "dir" / "link").symlink_to("f1")
    return root


def of(context: Path, cache: Path | None = None) -> Digest:
    return digest(select(str(context), ["dir"]), str(cache or ""))


def test_it_is_the_same_for_the_same_files_elsewhere(context: Path, tmp_path: Path) -> None:
    first = of(context)
    os.utime(context / "dir" / "f1", (1, 1))
    assert of(context) == first
    other = tmp_path / "other"
    other.mkdir()
    os.rename(context / "dir", other / "dir")
    assert of(other) == first


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "removed", "kind"])
def test_it_changes_with_what_is_copied(context: Path, change: str) -> None:
    first = of(context)
    file = context / "dir" / "f1"
    if change == "content":
        file.write_text("2")
    elif change == "name":
        file.rename(file.with_name("g1"))
    elif change == "mode":
        file.chmod(0o600)
    elif change == "removed":
        file.unlink()
    elif change == "kind":
        file.unlink()
        file.mkdir()
    else:
        (context / "dir" / "link").unlink()
        (context / "dir" / "link").symlink_to("f2")
    assert of(context) != first


def test_contents_are_remembered_unless_they_are_new(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = of(context, cache)
    assert not list(cache.glob("contents/*"))  # what was written just now could be written again unseen
    monkeypatch.setattr("wherry.build.context.digests._RACY", -(10**12))
    assert of(context, cache) == first
    (file,) = cache.glob("contents/*")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert of(context, cache) != first  # so it was used
    assert of(context) == first
    file.write_bytes(b"rubbish")
    assert of(context, cache) == first
    (context / "dir" / "f1").write_text("2")
    assert of(context, cache) == of(context) != first


def test_a_cache_that_cannot_be_written_is_none(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.build.context.digests._RACY", -(10**12))
    assert of(context, Path("/proc/1")) == of(context)


def test_a_file_that_changed_since_it_was_selected_is_told(context: Path) -> None:
    selection = select(str(context), ["dir"])
    (context / "dir" / "f7").write_text("changed")
    with pytest.raises(WherryError, match="'dir/f7' of the context was changed while it was read"):
        digest(selection)


def test_a_file_that_may_not_be_read_is_told_by_name(context: Path) -> None:
    (context / "dir" / "f7").chmod(0)
    with pytest.raises(WherryError, match="dir/f7' cannot be read: permission denied") as error:
        of(context)
    assert ".dockerignore" in error.value.hint


def test_of_what_is_in_layers_the_whole_is_remembered(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    layers = stack([tar_of([file("a", b"a"), file("b", b"b")])], tmp_path / "layers")
    first = digest(select(layers_root(store, layers), ["a"]), store.path)
    other = digest(select(layers_root(store, layers), ["b"]), store.path)
    os.unlink(f"{layers[0].tree}/a")
    again = select(layers_root(store, layers), ["a"])
    assert digest(again, store.path) == first != other
    with pytest.raises(NotFound):
        _ = again.picks
    with pytest.raises(NotFound):
        digest(again)


def test_only_so_many_contexts_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.build.context.digests._RACY", -(10**12))
    for number in range(70):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "f").write_text("f")
        digest(select(str(root), ["f"]), str(tmp_path / "cache"))
    assert len(os.listdir(tmp_path / "cache" / "contents")) == 64
