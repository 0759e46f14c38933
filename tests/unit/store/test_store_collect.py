from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stores import (
    add_image,
    add_layer,
    age,
    digest_of,
    fill,
    keep_container,
    left_over,
    nothing_runs,
    runs,
)
from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound, StoreError
from wherry.base.reference import Reference
from wherry.store import (
    Name,
    Store,
    enforce_limit,
    leases,
    open_at,
    prune,
    remove_image,
    usage,
)
from wherry.store.processes import current

A1 = Reference.parse("a:1")
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def layers_of(store: Store) -> set[str]:
    try:
        return set(os.listdir(f"{store.path}/layers"))
    except FileNotFoundError:
        return set()


def keys(*contents: str) -> set[str]:
    return {digest_of(content).hex for content in contents}


def blobs_of(store: Store) -> set[str]:
    return set(os.listdir(f"{store.path}/blobs/sha256"))


def my_lease(store: Store, image: Digest) -> str:
    return store.lease(image, current().node, current().boot_id)


# ---- removing one image


def test_removing_the_last_name_removes_all_that_only_it_needs(store: Store) -> None:
    image = add_image(store, "base", "top", names=["a:1"])
    add_image(store, "base", names=["b:1"])
    gone = remove_image(store, A1, nothing_runs)
    assert gone.images == (image,)
    assert gone.names == (A1,)
    assert set(gone.layers) == keys("top")
    assert gone.blobs == 2
    assert gone.bytes > len("top")
    assert layers_of(store) == keys("base")
    assert store.name(A1) is None
    assert store.image_record(image) is None
    assert left_over(store) == []


def test_removing_one_of_two_names_keeps_the_image(store: Store) -> None:
    image = add_image(store, "base", names=["a:1", "a:2"])
    gone = remove_image(store, A1, nothing_runs)
    assert (gone.images, gone.names, gone.layers) == ((), (A1,), ())
    assert store.name(Reference.parse("a:2")) == Name(image, None, "linux/amd64")


def test_a_digest_with_several_names_needs_force(store: Store) -> None:
    image = add_image(store, "base", names=["a:1", "a:2"])
    with pytest.raises(Conflict, match="a:1, a:2"):
        remove_image(store, image, nothing_runs)
    gone = remove_image(store, image, nothing_runs, force=True)
    assert len(gone.names) == 2
    assert list(store.names()) == []
    assert layers_of(store) == set()


def test_an_image_that_is_not_here(store: Store) -> None:
    for what in (A1, digest_of("x"), Reference.parse("a").at(digest_of("x"))):
        with pytest.raises(NotFound):
            remove_image(store, what, nothing_runs)


def test_the_sites_images_cannot_be_removed(tmp_path: Path) -> None:
    site = open_at(str(tmp_path / "site"))
    image = add_image(site, "a", names=["a:1"])
    own = open_at(str(tmp_path / "own"), [site.path])
    for what in (A1, image):
        with pytest.raises(Conflict, match="site's stores"):
            remove_image(own, what, nothing_runs, force=True)
    assert site.name(A1) is not None


@pytest.mark.parametrize("force", [False, True])
def test_what_runs_stays_with_its_name_and_lease(store: Store, force: bool) -> None:
    image = add_image(store, "a", names=["a:1"])
    lease = my_lease(store, image)
    with pytest.raises(Conflict, match="container 'abc' and 1 more run") as caught:
        remove_image(store, A1, runs("abc", "def"), force=force)
    assert caught.value.hint == "wherry stop abc def"
    assert store.name(A1) is not None
    assert store.image_record(image) is not None
    assert os.path.exists(lease)
    assert layers_of(store) == keys("a")


def test_while_it_looks_for_what_runs_neither_lease_nor_record_can_be_found(store: Store) -> None:
    """Who starts later than this look finds no lease; who started earlier is seen by it."""
    image = add_image(store, "a", names=["a:1"])
    lease = my_lease(store, image)
    seen = []

    def looks(digest: Digest) -> list[str]:
        seen.append((os.path.exists(lease), store.image_record(digest), store.name(A1)))
        return ["abc"] if len(seen) == 2 else []

    with pytest.raises(Conflict):
        remove_image(store, A1, looks)
    assert len(seen) == 2
    assert seen[1] == (False, None, None)
    assert os.path.exists(lease)
    assert store.name(A1) == Name(image, None, "linux/amd64")


def test_a_look_that_fails_puts_all_back(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    lease = my_lease(store, image)

    def fails(digest: Digest) -> list[str]:
        raise OSError(5, "no")

    with pytest.raises(StoreError, match="cannot remove an image"):
        remove_image(store, A1, fails)
    assert os.path.exists(lease)
    assert store.image_record(image) is not None


def test_a_lease_of_this_node_alone_is_no_obstacle(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    my_lease(store, image)
    remove_image(store, A1, nothing_runs)
    assert os.listdir(f"{store.path}/leases") == []


def test_another_nodes_lease_protects_for_a_day_unless_forced(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    store.lease(image, "node9", "b")
    with pytest.raises(Conflict, match="node 'node9'") as caught:
        remove_image(store, A1, nothing_runs)
    assert "--force" in caught.value.hint
    assert store.name(A1) is not None
    remove_image(store, A1, nothing_runs, force=True)
    assert store.image_record(image) is None


def test_another_session_of_this_node_protects_for_as_long_as_it_may_run(store: Store, tmp_path: Path) -> None:
    """A job with a private /tmp notes its containers where a login cannot see them."""
    image = add_image(store, "a", names=["a:1"])
    for name in ("login", "job"):
        (tmp_path / name).mkdir()
    login, job = str(tmp_path / "login"), str(tmp_path / "job")
    store.lease(image, current().node, current().boot_id, login)
    lease = store.lease(image, current().node, current().boot_id, job)
    with pytest.raises(Conflict, match="in another session on this node"):
        remove_image(store, A1, nothing_runs, runtime=login)
    assert prune(store, nothing_runs, everything=True, runtime=login).images == ()
    assert enforce_limit(store, 1, nothing_runs, runtime=login).images == ()
    age(lease, 4 * 3600)
    remove_image(store, A1, nothing_runs, runtime=login)
    assert os.listdir(f"{store.path}/leases") == []


def test_another_nodes_stale_lease_is_no_obstacle(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    age(store.lease(image, "node9", "b"), DAY + 60)
    remove_image(store, A1, nothing_runs)
    assert store.image_record(image) is None


def test_another_nodes_lease_hidden_by_a_remover_that_died_protects_too(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    store.lease(image, "node9", "b")
    leases.hide(store.path, image, "node9")
    with pytest.raises(Conflict, match="node9"):
        remove_image(store, A1, nothing_runs)


def test_a_kept_container_protects_its_image_and_after_force_its_layers(store: Store) -> None:
    image = add_image(store, "a", "b", names=["a:1"])
    keep_container(store, "c0ffee", image, sorted(keys("a", "b")), name="run1")
    with pytest.raises(Conflict, match="'run1'") as caught:
        remove_image(store, A1, nothing_runs)
    assert caught.value.hint == "wherry rm run1"
    remove_image(store, A1, nothing_runs, force=True)
    assert store.image_record(image) is None
    assert layers_of(store) == keys("a", "b")
    assert image.hex in blobs_of(store)


def test_a_container_that_cannot_be_read_stops_all_removing(store: Store) -> None:
    add_image(store, "a", names=["a:1"])
    os.makedirs(f"{store.path}/containers/bad")
    Path(f"{store.path}/containers/bad/container.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read") as caught:
        remove_image(store, A1, nothing_runs)
    assert "wherry rm --force bad" in caught.value.hint
    with pytest.raises(StoreError, match="cannot be read"):
        prune(store, nothing_runs)
    assert layers_of(store) == keys("a")


# ---- prune


def test_prune_takes_images_whose_tag_moved_on_and_nothing_else(store: Store) -> None:
    old = add_image(store, "base", "old", names=["a:1"])
    new = add_image(store, "base", "new", names=["a:1"])
    by_digest = add_image(store, "digest", reference="debian@sha256:...")
    add_layer(store, "orphan")
    gone = prune(store, nothing_runs)
    assert gone.images == (old,)
    assert set(gone.layers) == keys("old", "orphan")
    assert layers_of(store) == keys("base", "new", "digest")
    assert {record.digest for record in store.image_records()} == {new, by_digest}


def test_prune_of_everything_keeps_what_is_used(store: Store) -> None:
    add_image(store, "idle", names=["idle:1"])
    running = add_image(store, "running", names=["running:1"])
    kept = add_image(store, "kept", names=["kept:1"])
    leased = add_image(store, "leased", names=["leased:1"])
    keep_container(store, "c1", kept, sorted(keys("kept")))
    store.lease(leased, "node9", "b")
    gone = prune(store, lambda digest: ["id"] if digest == running else [], everything=True)
    assert [str(ref) for ref in gone.names] == ["docker.io/library/idle:1"]
    assert layers_of(store) == keys("running", "kept", "leased")


@pytest.mark.parametrize("everything", [False, True])
def test_a_dry_run_says_what_would_go_and_changes_nothing(store: Store, everything: bool) -> None:
    add_image(store, "old", names=["a:1"])
    add_image(store, "new", names=["a:1"])
    add_image(store, "b", names=["b:1"])
    add_layer(store, "orphan")
    before = sorted(os.walk(store.path))
    planned = prune(store, nothing_runs, everything=everything, dry_run=True)
    assert sorted(os.walk(store.path)) == before
    assert prune(store, nothing_runs, everything=everything) == planned


def test_prune_forgets_names_of_images_that_are_gone(store: Store) -> None:
    store.set_name(A1, Name(digest_of("gone")))
    assert prune(store, nothing_runs).names == (A1,)
    assert store.name(A1) is None


def test_prune_finishes_a_removal_whose_process_died(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    my_lease(store, image)
    leases.hide(store.path, image, current().node)
    os.rename(store.record_path(image), f"{store.path}/images/.{image.hex}")
    prune(store, nothing_runs)
    assert (os.listdir(f"{store.path}/images"), layers_of(store)) == ([], set())
    assert store.name(A1) is None


def test_prune_undoes_a_removal_whose_process_died_when_the_image_runs(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    lease = my_lease(store, image)
    os.rename(store.record_path(image), f"{store.path}/images/.{image.hex}")
    prune(store, runs("id"))
    assert store.image_record(image) is not None
    assert os.path.exists(lease)


def test_layers_of_a_removal_that_is_not_finished_stay(store: Store) -> None:
    image = add_image(store, "a", names=["a:1"])
    add_image(store, "b", names=["b:1"])
    os.rename(store.record_path(image), f"{store.path}/images/.{image.hex}")
    remove_image(store, Reference.parse("b:1"), nothing_runs)
    assert layers_of(store) == keys("a")


def test_while_somebody_fetches_new_layers_stay(store: Store) -> None:
    add_layer(store, "arriving")
    with store.flight("a:1", lambda event: None, lambda: False) as mine:
        assert mine
        assert prune(store, nothing_runs).layers == ()
    assert set(prune(store, nothing_runs).layers) == keys("arriving")


def test_a_layer_that_is_wanted_again_while_it_is_removed_comes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The puller's record is written between the two looks at the records."""
    from wherry.store import sweeping

    add_layer(store, "a")
    marks, looks = sweeping.marks, []

    def and_somebody_pulls(*arguments: object, **options: object) -> object:
        looks.append(1)
        if len(looks) == 2:
            path = store.record_path(digest_of("m"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(path).write_text(json.dumps({"size": 1, "layers": [digest_of("a").hex]}))
        return marks(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sweeping, "marks", and_somebody_pulls)
    assert prune(store, nothing_runs).layers == ()
    assert store.find_layer(digest_of("a").hex) is not None


def test_flattened_trees_stay_with_their_image(store: Store) -> None:
    image = add_image(store, "a", "b", names=["a:1"])
    one, two = digest_of("a"), digest_of("b")
    chain = Digest.of(f"{one} {two}".encode())
    for key in (chain, digest_of("other chain")):
        work = store.new_work()
        fill(work, "flat")
        store.publish_flat(work, key, 4)
    assert prune(store, nothing_runs).flat == 1
    assert store.flat_path(chain) is not None
    assert remove_image(store, image, nothing_runs).flat == 1
    assert store.flat_path(chain) is None


def test_prune_needs_no_store_content(store: Store) -> None:
    assert prune(store, nothing_runs).bytes == 0


# ---- the limit


def test_the_least_recently_used_goes_first(store: Store) -> None:
    mega = 1 << 20
    images = [add_image(store, name, names=[f"{name}:1"], sizes=10 * mega) for name in ("a", "b", "c", "d")]
    for number, image in enumerate(images):
        age(store.record_path(image), 1000 - number)
    store.touch_image(images[0])  # a is used now: b is the oldest
    gone = enforce_limit(store, 25 * mega, nothing_runs)
    assert gone.images == (images[1], images[2])
    assert gone.over == 0
    assert layers_of(store) == keys("a", "d")


def test_a_start_from_a_saved_plan_counts_as_use(store: Store) -> None:
    images = [add_image(store, name, names=[f"{name}:1"], sizes=1 << 20) for name in ("a", "b")]
    my_lease(store, images[0])
    for image in images:
        age(store.record_path(image), 1000)
    assert enforce_limit(store, 3 << 19, nothing_runs).images == (images[1],)


def test_what_is_used_and_what_was_just_pulled_is_spared(store: Store) -> None:
    images = [add_image(store, name, names=[f"{name}:1"], sizes=1 << 20) for name in ("a", "b", "c")]
    gone = enforce_limit(store, 1, lambda digest: ["x"] if digest == images[0] else [], keep=[images[2]])
    assert gone.images == (images[1],)
    assert gone.over > 2 << 20


@pytest.mark.parametrize("limit", [0, 1 << 40])
def test_without_or_below_the_limit_nothing_goes(store: Store, limit: int) -> None:
    add_image(store, "a")
    assert enforce_limit(store, limit, nothing_runs).images == ()
    assert layers_of(store) == keys("a")


# ---- usage


def test_usage_counts_without_walking(store: Store) -> None:
    add_image(store, "a", "b", names=["a:1"], sizes=1_000_000)
    add_layer(store, "orphan", size=500_000)
    Path(store.partial_path(digest_of("p"))).write_bytes(b"x" * 1234)
    found = usage(store)
    assert (found.images, found.layers, found.blobs, found.partial) == (1, 3, 2, 1)
    assert 2_500_000 < found.layers_size < 2_520_000
    assert 500_000 < found.reclaimable < 510_000
    assert found.partial_size == 1234
    assert found.total == found.layers_size + found.blobs_size + 1234
    assert found.free > 0
