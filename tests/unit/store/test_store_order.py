"""The order of writes: synced before it has its name, the folder after; records last, and only when all stays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stores import a_meta, add_layer, digest_of, fill, left_over
from wherry.base.errors import StoreError
from wherry.base.reference import Reference
from wherry.store import ImageRecord, Name, Store, durable, flight, open_at, publish


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture
def calls(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every sync and rename, with the path below the store (of a fresh one its folder)."""
    seen: list[tuple[str, str]] = []

    def short(path: str) -> str:
        path = os.path.relpath(path, store.path)
        return "tmp" if path.startswith("tmp/") else path

    def watched(name: str, real: Callable[..., object], path_of: Callable[..., str]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            seen.append((name, short(path_of(*arguments))))
            return real(*arguments)

        return call

    monkeypatch.setattr(os, "rename", watched("rename", os.rename, lambda source, target: target))
    monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync, lambda fd: os.readlink(f"/proc/self/fd/{fd}")))
    whole = watched("syncfs", durable.sync_file_system, lambda path: path)
    monkeypatch.setattr(publish, "sync_file_system", whole)
    return seen


def succeeded(calls: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without renames that were tried before their folder was made."""
    return [call for number, call in enumerate(calls) if calls[number : number + 2] != [call, call]]


def test_a_blob(store: Store, calls: list[tuple[str, str]]) -> None:
    digest = store.put_blob(b"x")
    assert succeeded(calls) == [
        ("fsync", "tmp"),
        ("rename", f"blobs/sha256/{digest.hex}"),
        ("fsync", "blobs/sha256"),
        ("fsync", "blobs"),
        ("fsync", "."),
    ]
    calls.clear()
    second = store.put_blob(b"y")
    assert calls == [("fsync", "tmp"), ("rename", f"blobs/sha256/{second.hex}"), ("fsync", "blobs/sha256")]


def test_a_name(store: Store, calls: list[tuple[str, str]]) -> None:
    store.set_name(Reference.parse("reg.org/a:1"), Name(digest_of("x")))
    assert succeeded(calls) == [
        ("fsync", "tmp"),
        ("rename", "names/reg.org/a/:1"),
        ("fsync", "names/reg.org/a"),
        ("fsync", "names/reg.org"),
        ("fsync", "names"),
        ("fsync", "."),
    ]


def test_layers_share_one_sync(store: Store, calls: list[tuple[str, str]]) -> None:
    works = [store.new_work() for _ in range(3)]
    for number, work in enumerate(works):
        fill(work, str(number))
    calls.clear()
    store.publish_layers([(work, f"0{n}", a_meta(str(n))) for n, work in enumerate(works)])
    assert succeeded(calls) == [
        ("syncfs", "tmp"),
        ("rename", "layers/00"),
        ("rename", "layers/01"),
        ("rename", "layers/02"),
        ("fsync", "layers"),
        ("fsync", "."),
    ]


def test_a_layer_s_place_lasts_from_the_record_on_that_names_it(store: Store, calls: list[tuple[str, str]]) -> None:
    add_layer(store, "a")
    manifest = store.put_blob(b"{}")
    work = store.new_work()
    fill(work, "b")
    calls.clear()
    layer = store.publish_layer(work, "0b", a_meta("b"), lasting=False)
    assert succeeded(calls) == [("syncfs", "tmp"), ("rename", "layers/0b")]
    calls.clear()
    store.put_image_record(ImageRecord(manifest, 1, (layer.key,)))
    assert calls.index(("fsync", "layers")) < calls.index(("rename", f"images/{manifest.hex}"))


def test_what_is_there_already_is_not_synced_again(store: Store, calls: list[tuple[str, str]]) -> None:
    layer, work = add_layer(store, "a"), store.new_work()
    fill(work, "a")
    calls.clear()
    assert store.publish_layer(work, layer.key, layer.meta) == layer
    assert calls == []
    assert left_over(store) == []


def test_a_record_is_first_written_where_only_removers_see_it(store: Store, calls: list[tuple[str, str]]) -> None:
    layer, manifest = add_layer(store, "a"), store.put_blob(b"{}")
    calls.clear()
    store.put_image_record(ImageRecord(manifest, 1, (layer.key,)))
    renames = [path for name, path in succeeded(calls) if name == "rename"]
    assert renames[0].startswith(f"images/.{manifest.hex}.")
    assert renames[1:] == [f"images/{manifest.hex}"]
    assert calls[-1] == ("fsync", "images")
    assert calls[0] == ("fsync", "tmp")


def test_a_sync_that_fails_publishes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told by syncfs at the latest."""

    def full(path: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, "sync_file_system", full)
    work = store.new_work()
    fill(work, "x")
    with pytest.raises(StoreError, match="cannot keep a layer"):
        store.publish_layer(work, "aa", a_meta("x"))
    assert store.find_layer("aa") is None
    assert left_over(store) == []


@pytest.mark.parametrize("takes_it", [False, True])
def test_a_record_waits_for_a_remover_that_began_before(store: Store, takes_it: bool) -> None:
    layer, manifest = add_layer(store, "a"), store.put_blob(b"{}")
    told: list[str] = []

    def pull() -> None:
        try:
            store.put_image_record(ImageRecord(manifest, 1, (layer.key,)))
            told.append("done")
        except StoreError as error:
            told.append(str(error))

    puller = threading.Thread(target=pull)
    with flight.collecting(store.path):
        puller.start()
        puller.join(0.3)
        assert puller.is_alive()
        assert store.image_record(manifest) is None
        if takes_it:
            store.discard(f"{store.path}/layers/{layer.key}")
    puller.join(10)
    assert not puller.is_alive()
    if takes_it:
        assert "was removed while the rest was fetched" in told[0]
        assert os.listdir(f"{store.path}/images") == []
    else:
        assert told == ["done"]
        assert store.image_record(manifest) is not None


def test_a_remover_that_begins_later_is_not_waited_for_and_takes_nothing(store: Store) -> None:
    from stores import nothing_runs
    from wherry.store import prune

    layer, manifest = add_layer(store, "a"), store.put_blob(b"{}")
    pending = f"{store.path}/images/.{manifest.hex}.node.1.x"
    os.makedirs(os.path.dirname(pending))
    Path(pending).write_text(f'{{"size":1,"layers":["{layer.key}"]}}')
    gone = prune(store, nothing_runs)
    assert (gone.layers, gone.blobs) == ((), 0)


def test_a_record_whose_process_died_is_swept(store: Store) -> None:
    from wherry.store.discard import sweep
    from wherry.store.processes import tmp_name

    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    node, _, rest = tmp_name().rsplit(".", 2)
    mine, theirs = tmp_name(), f"{node}.{child}.{rest}"
    os.makedirs(f"{store.path}/images")
    for owner in (mine, theirs):
        Path(f"{store.path}/images/.{digest_of('m').hex}.{owner}").write_text("{}")
    sweep(store.path)
    assert os.listdir(f"{store.path}/images") == [f".{digest_of('m').hex}.{mine}"]
