from __future__ import annotations

import os
from pathlib import Path

import pytest

from stores import add_image, add_layer, digest_of, nothing_runs
from wherry.store import LayerSource, Store, open_at, prune
from wherry.store.sources import MOST


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def source(digest: str, repository: str = "reg.org/a", *, verified: bool = False) -> LayerSource:
    return LayerSource(
        digest_of(digest), len(digest), "application/vnd.oci.image.layer.v1.tar+gzip", repository, verified
    )


def test_what_is_learnt_of_a_layer_is_told_the_last_first(store: Store) -> None:
    layer = add_layer(store, "layer")
    for one in (source("gzip"), source("zstd", "b.org/x"), source("gzip")):
        store.remember_source(layer, one)
    assert store.sources(layer) == (source("zstd", "b.org/x"), source("gzip"))


def test_a_digest_that_was_verified_once_is_so_everywhere(store: Store) -> None:
    layer = add_layer(store, "layer")
    store.remember_source(layer, source("gzip"))
    store.remember_source(layer, source("gzip", "b.org/x", verified=True))
    assert [one.verified for one in store.sources(layer)] == [True, True]
    store.remember_source(layer, source("gzip"))
    assert [one.verified for one in store.sources(layer)] == [True, True]


def test_the_oldest_are_forgotten(store: Store) -> None:
    layer = add_layer(store, "layer")
    for number in range(MOST + 5):
        store.remember_source(layer, source(str(number)))
    assert store.sources(layer) == tuple(source(str(number)) for number in range(MOST + 4, 4, -1))


def test_the_layer_itself_is_not_touched(store: Store) -> None:
    layer = add_layer(store, "layer")
    meta = Path(store.path, "layers", layer.key, "meta.json")
    before = meta.stat()
    store.remember_source(layer, source("gzip"))
    after = meta.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.find_layer(layer.key) == layer


@pytest.mark.parametrize("content", [b"", b"[{", b"{}", b'[{"digest":"x","size":1,"media_type":"","repository":""}]'])
def test_a_file_that_cannot_be_read_says_nothing(store: Store, content: bytes) -> None:
    """It is written without a sync: a crash of the machine may leave it empty."""
    layer = add_layer(store, "layer")
    store.remember_source(layer, source("gzip"))
    Path(store.path, "sources", layer.key).write_bytes(content)
    assert store.sources(layer) == ()
    store.remember_source(layer, source("zstd"))
    assert store.sources(layer) == (source("zstd"),)


def test_nothing_is_written_where_a_site_keeps_the_layer(store: Store, tmp_path: Path) -> None:
    layer = add_layer(store, "layer")
    own = open_at(str(tmp_path / "own"), [store.path])
    own.remember_source(layer, source("gzip"))
    assert own.sources(layer) == (source("gzip"),)
    assert store.sources(layer) == ()
    assert not os.path.exists(f"{store.path}/sources")


def test_a_store_that_cannot_be_written_learns_nothing_and_does_not_fail(store: Store) -> None:
    layer = add_layer(store, "layer")
    os.chmod(f"{store.path}/tmp", 0o500)
    try:
        store.remember_source(layer, source("gzip"))
    finally:
        os.chmod(f"{store.path}/tmp", 0o700)
    assert store.sources(layer) == ()


def test_prune_forgets_the_sources_of_layers_that_are_gone(store: Store) -> None:
    add_image(store, "kept", names=["kept:1"])
    layers = [store.find_layer(digest_of("kept").hex), add_layer(store, "gone")]
    for layer in layers:
        assert layer is not None
        store.remember_source(layer, source("gzip"))
    prune(store, nothing_runs, dry_run=True)
    assert len(os.listdir(f"{store.path}/sources")) == 2
    prune(store, nothing_runs)
    assert os.listdir(f"{store.path}/sources") == [digest_of("kept").hex]
