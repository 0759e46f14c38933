from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from stores import a_meta, add_image, add_layer, content_of, digest_of, fill, left_over
from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, InvalidName, NotFound, StoreError
from wherry.base.reference import Reference
from wherry.store import ImageRecord, LayerMeta, LayerSource, Name, Store, open_at


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def test_a_blob_reads_back(store: Store) -> None:
    digest = store.put_blob(b"manifest")
    assert digest == Digest.of(b"manifest")
    assert store.read_blob(digest) == b"manifest"
    assert store.has_blob(digest)
    assert store.blob_path(digest) == f"{store.path}/blobs/sha256/{digest.hex}"
    assert left_over(store) == []


def test_a_large_blob_reads_back(store: Store) -> None:
    data = os.urandom(3_000_000)
    assert store.read_blob(store.put_blob(data)) == data


def test_a_blob_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="is not in the store"):
        store.read_blob(Digest.of(b"x"))
    assert not store.has_blob(Digest.of(b"x"))
    assert store.blob_path(Digest.of(b"x")) is None


def test_a_damaged_blob_is_told_and_taken_away_so_that_the_next_pull_heals_it(store: Store) -> None:
    digest = store.put_blob(b"good bytes")
    Path(store.blob_path(digest) or "").write_bytes(b"evil bytes")
    with pytest.raises(DigestMismatch, match="was damaged on disk"):
        store.read_blob(digest)
    assert not store.has_blob(digest)
    assert store.read_blob(store.put_blob(b"good bytes")) == b"good bytes"


def test_a_truncated_blob_is_replaced_when_put_again(store: Store) -> None:
    digest = store.put_blob(b"good bytes")
    Path(store.blob_path(digest) or "").write_bytes(b"")
    assert store.read_blob(store.put_blob(b"good bytes")) == b"good bytes"


def test_a_downloaded_file_becomes_a_blob(store: Store) -> None:
    digest = Digest.of(b"compressed")
    path = store.partial_path(digest)
    Path(path).write_bytes(b"compressed")
    store.keep_blob(path, digest)
    assert store.read_blob(digest) == b"compressed"
    assert not os.path.exists(path)


def test_a_sha512_digest_has_a_place_of_its_own(store: Store) -> None:
    hasher = Digest("sha512", "0" * 128).hasher()
    hasher.update(b"x")
    path = store.partial_path(hasher.digest())
    Path(path).write_bytes(b"x")
    store.keep_blob(path, hasher.digest())
    assert store.read_blob(hasher.digest()) == b"x"


def test_a_layer_reads_back_with_all_that_is_known_of_it(store: Store) -> None:
    source = LayerSource(digest_of("gz"), 12, "application/vnd.oci.image.layer.v1.tar+gzip", "reg.org:5000/a/b")
    meta = LayerMeta(digest_of("l"), 5, 2, 1, overlay=False, rebuildable=True, sources=(source,))
    work = store.new_work()
    fill(work, "hello")
    published = store.publish_layer(work, "ab12", meta)
    found = store.find_layer("ab12")
    assert found == published
    assert found is not None
    assert found.meta == meta
    assert content_of(found) == "hello"
    assert Path(found.table).read_text() == "table of hello"
    assert left_over(store) == []


def test_a_layer_that_is_not_there(store: Store) -> None:
    assert store.find_layer("00") is None


def test_work_is_invisible_until_it_is_published(store: Store) -> None:
    work = store.new_work()
    fill(work, "half")
    assert os.path.dirname(work) == f"{store.path}/tmp"
    assert not os.path.exists(f"{store.path}/layers")


def test_the_first_layer_published_under_a_key_wins(store: Store) -> None:
    first, second = store.new_work(), store.new_work()
    fill(first, "one")
    fill(second, "two")
    store.publish_layer(first, "aa", a_meta("one"))
    layer = store.publish_layer(second, "aa", a_meta("two"))
    assert content_of(layer) == "one"
    assert layer.meta == a_meta("one")
    assert left_over(store) == []


def test_several_layers_are_published_at_once(store: Store) -> None:
    works = [store.new_work() for _ in range(3)]
    for number, work in enumerate(works):
        fill(work, str(number))
    layers = store.publish_layers([(work, f"0{n}", a_meta(str(n))) for n, work in enumerate(works)])
    assert [content_of(layer) for layer in layers] == ["0", "1", "2"]


def test_a_layer_whose_root_has_no_permission_is_published(store: Store) -> None:
    work = store.new_work()
    fill(work, "x")
    os.chmod(f"{work}/tree", 0o000)
    layer = store.publish_layer(work, "aa", a_meta("x"))
    assert stat.S_IMODE(os.stat(layer.tree).st_mode) == 0


def test_a_publish_that_fails_leaves_nothing(store: Store) -> None:
    work = store.new_work()
    fill(work, "x")
    Path(f"{store.path}/layers").write_text("in the way")
    with pytest.raises(StoreError, match="cannot keep a layer"):
        store.publish_layer(work, "aa", a_meta("x"))
    assert left_over(store) == []


def test_an_unwanted_work_is_discarded(store: Store) -> None:
    work = store.new_work()
    fill(work, "x")
    store.discard(work)
    assert left_over(store) == []
    store.discard(work)


def test_a_flattened_tree(store: Store) -> None:
    chain = digest_of("chain")
    assert store.flat_path(chain) is None
    work = store.new_work()
    fill(work, "flat")
    path = store.publish_flat(work, chain, 4)
    assert store.flat_path(chain) == path == store.flat_path(chain.hex) == store.flat_path(str(chain))
    assert Path(f"{path}/file").read_text() == "flat"


def test_a_name_leads_to_what_it_was_set_to_last(store: Store) -> None:
    ref = Reference.parse("debian:12")
    assert store.name(ref) is None
    first, second = Name(digest_of("1"), None, "linux/amd64"), Name(digest_of("2"), digest_of("i"), "linux/arm64/v8")
    store.set_name(ref, first)
    assert store.name(ref) == first
    before = os.stat(store.name_path(ref))
    store.set_name(ref, second)
    assert store.name(ref) == second
    assert os.stat(store.name_path(ref)).st_ino != before.st_ino
    assert list(store.names()) == [(ref, second)]


def test_a_name_that_is_set_to_what_it_was_keeps_its_file(store: Store) -> None:
    ref, name = Reference.parse("debian:12"), Name(digest_of("1"), None, "linux/amd64")
    store.set_name(ref, name)
    before = os.stat(store.name_path(ref))
    store.set_name(ref, name)
    assert os.stat(store.name_path(ref)) == before


def test_a_removed_name_leaves_no_folders(store: Store) -> None:
    one, two = Reference.parse("reg.org/a/b/c:1"), Reference.parse("reg.org/a:1")
    store.set_name(one, Name(digest_of("1")))
    store.set_name(two, Name(digest_of("1")))
    assert store.remove_name(one)
    assert not store.remove_name(one)
    assert os.listdir(f"{store.path}/names/reg.org/a") == [":1"]
    assert store.remove_name(two)
    assert os.listdir(f"{store.path}/names") == []


def test_a_digest_is_no_name_but_leads_to_itself(store: Store) -> None:
    manifest = add_image(store, "a")
    ref = Reference.parse("debian").at(manifest)
    assert store.name(ref) == Name(manifest)
    assert store.name(ref.at(digest_of("other"))) is None
    assert store.name_path(ref) == store.record_path(manifest)
    with pytest.raises(InvalidName, match="cannot be a name"):
        store.set_name(ref, Name(manifest))
    with pytest.raises(InvalidName, match="has no tag"):
        store.name(Reference("docker.io", "library/debian"))


def test_a_damaged_name_counts_as_none(store: Store) -> None:
    ref = Reference.parse("debian")
    store.set_name(ref, Name(digest_of("1")))
    Path(store.name_path(ref)).write_bytes(b"\xff\n")
    assert store.name(ref) is None
    assert list(store.names()) == []


def test_an_image_record_reads_back(store: Store) -> None:
    layer = add_layer(store, "a")
    manifest, config = store.put_blob(b"{}"), store.put_blob(b"config")
    record = ImageRecord(
        manifest, 1, (layer.key,), "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", (config,), f"debian@{manifest}"
    )
    store.put_image_record(record)
    assert store.image_record(manifest) == record
    assert list(store.image_records()) == [record]
    assert json.loads(Path(store.record_path(manifest)).read_text())["layers"] == [layer.key]


def test_a_record_of_what_is_not_complete_is_refused(store: Store) -> None:
    manifest = store.put_blob(b"{}")
    with pytest.raises(StoreError, match="layer 'abcd' was removed while the rest was fetched"):
        store.put_image_record(ImageRecord(manifest, 0, ("abcd",)))
    with pytest.raises(StoreError, match="blob"):
        store.put_image_record(ImageRecord(manifest, 0, (), blobs=(digest_of("lost"),)))
    assert list(store.image_records()) == []


def test_using_an_image_makes_it_recent(store: Store) -> None:
    manifest = add_image(store, "a")
    os.utime(store.record_path(manifest), (0, 0))
    store.touch_image(manifest)
    assert os.stat(store.record_path(manifest)).st_mtime > 1e9
    store.touch_image(digest_of("unknown"))


def test_own_things_come_before_the_sites(tmp_path: Path) -> None:
    site = open_at(str(tmp_path / "site"))
    ref = Reference.parse("a:1")
    theirs = add_image(site, "x", names=["a:1", "b:1"])
    own = open_at(str(tmp_path / "own"), [site.path])
    assert own.name(ref) == Name(theirs, None, "linux/amd64")
    assert [record.digest for record in own.image_records()] == [theirs]
    mine = add_image(own, "y", names=["a:1"])
    assert own.name(ref) == Name(mine, None, "linux/amd64")
    assert {str(ref): name.digest for ref, name in own.names()} == {
        "docker.io/library/a:1": mine,
        "docker.io/library/b:1": theirs,
    }
    assert {record.digest for record in own.image_records()} == {mine, theirs}
    assert own.name_paths(ref) == (own.name_path(ref), site.name_path(ref))


def test_an_image_may_use_layers_of_the_site(tmp_path: Path) -> None:
    site = open_at(str(tmp_path / "site"))
    base = add_layer(site, "base")
    own = open_at(str(tmp_path / "own"), [site.path])
    manifest = add_image(own, "base", "mine")
    record = own.image_record(manifest)
    assert record is not None
    layers = [own.find_layer(key) for key in record.layers]
    assert [layer.tree.startswith(site.path) for layer in layers if layer] == [True, False]
    assert base.key == record.layers[0]


def test_everything_in_a_store_can_be_published_by_opening_its_folder(store: Store) -> None:
    """Only the store's own folder keeps others out: inside, the umask decides."""
    old = os.umask(0o022)
    try:
        add_image(store, "a", names=["a:1"])
    finally:
        os.umask(old)
    for folder, folders, files in os.walk(store.path):
        for name in folders + files:
            assert os.stat(f"{folder}/{name}").st_mode & 0o044 == 0o044
