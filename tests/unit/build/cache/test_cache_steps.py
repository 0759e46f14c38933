"""What a step made is found again, stays while it is needed, and goes when it must."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from stores import add_image, add_layer, digest_of, nothing_runs
from wherry.base.digest import Digest
from wherry.base.errors import StoreError
from wherry.build.cache import Cache, Found
from wherry.store import CacheRule, PruneResult, Store, enforce_limit, open_at, prune, prune_cache, usage

ALL = CacheRule(limit=0)
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def key(name: str) -> Digest:
    return digest_of(f"step {name}")


def made(store: Store, name: str, *, size: int = 100, below: tuple[Digest, ...] = (), ago: float = 0.0) -> str:
    """A step whose layer holds ``name``; the layer's key."""
    layer = add_layer(store, name, size=size)
    Cache(store).remember(key(name), layer, 1.5, size, below)
    if ago:
        then = time.time() - ago
        os.utime(f"{store.path}/built/{key(name).hex}", (then, then))
    return layer.key


def is_there(store: Store, name: str) -> bool:
    return Cache(store).find(key(name)) is not None


def test_a_step_is_found_with_its_layer(store: Store) -> None:
    layer = made(store, "apt", size=7)
    found = Cache(store).find(key("apt"))
    assert found is not None
    assert (found.layers, found.diff_id, found.seconds, found.size) == ((layer,), digest_of("apt"), 1.5, 7)
    assert abs(found.made - time.time()) < 60


def test_an_unknown_step_is_not_found(store: Store) -> None:
    assert Cache(store).find(key("apt")) is None


def test_a_step_that_changed_no_file_is_found_without_a_layer(store: Store) -> None:
    Cache(store).remember(key("true"), None, 0.1, 0)
    found = Cache(store).find(key("true"))
    assert found is not None and (found.layers, found.diff_id) == ((), None)


def test_a_step_whose_layer_is_gone_is_not_found(store: Store) -> None:
    layer = made(store, "apt")
    store.discard(f"{store.path}/layers/{layer}")
    assert not is_there(store, "apt")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"layer":"../..","diff_id":"sha256:00"}', b'{"layer":"aa"}', b"\xff"]
)
def test_a_broken_note_says_nothing(store: Store, content: bytes) -> None:
    made(store, "apt")
    Path(f"{store.path}/built/{key('apt').hex}").write_bytes(content)
    assert not is_there(store, "apt")
    prune(store, nothing_runs)


def test_a_layer_that_is_gone_as_it_is_remembered_is_an_error(store: Store) -> None:
    layer = add_layer(store, "apt")
    store.discard(f"{store.path}/layers/{layer.key}")
    with pytest.raises(StoreError, match="gone as it came"):
        Cache(store).remember(key("apt"), layer, 1.0, 1)
    assert not is_there(store, "apt")


def test_a_plain_prune_keeps_what_builds_left(store: Store) -> None:
    made(store, "apt")
    assert prune(store, nothing_runs).layers == ()
    assert is_there(store, "apt")


def test_a_dry_run_tells_what_goes_and_takes_nothing(store: Store) -> None:
    layer = made(store, "apt", size=5000)
    told = prune_cache(store, ALL, dry_run=True)
    assert (told.layers, told.steps) == ((layer,), 1)
    assert told.bytes >= 5000
    assert is_there(store, "apt")
    assert prune_cache(store, ALL) == told


def test_nothing_is_kept_where_nothing_may_stay(store: Store) -> None:
    layers = {made(store, "apt"), made(store, "pip")}
    Cache(store).remember(key("true"), None, 0.1, 0)
    gone = prune_cache(store, ALL)
    assert (set(gone.layers), gone.steps) == (layers, 3)
    assert os.listdir(f"{store.path}/built") == []


def test_an_images_layers_stay_when_the_step_is_forgotten(store: Store) -> None:
    layer = made(store, "apt")
    add_image(store, "apt", names=["mine:1"])
    assert prune_cache(store, ALL).layers == ()
    assert store.find_layer(layer) is not None
    assert not is_there(store, "apt")


def test_the_steps_unused_for_longest_go_first(store: Store) -> None:
    for number, name in enumerate(("old", "older", "oldest"), 1):
        made(store, name, size=1 << 20, ago=number * DAY)
    prune_cache(store, CacheRule(limit=5 << 19))
    assert [is_there(store, name) for name in ("old", "older", "oldest")] == [True, True, False]


def test_a_step_goes_after_those_that_were_done_on_it(store: Store) -> None:
    made(store, "base", size=1 << 20, ago=9 * DAY)
    made(store, "other", size=1 << 20, ago=5 * DAY)
    made(store, "leaf", size=1 << 20, ago=DAY, below=(digest_of("base"),))
    prune_cache(store, CacheRule(limit=5 << 19))
    assert [is_there(store, name) for name in ("base", "leaf", "other")] == [True, True, False]
    prune_cache(store, CacheRule(limit=3 << 19))
    assert [is_there(store, name) for name in ("base", "leaf")] == [True, False]


def test_steps_that_lie_on_each_other_in_a_circle_go_too(store: Store) -> None:
    made(store, "a", ago=2 * DAY, below=(digest_of("b"),))
    made(store, "b", ago=DAY, below=(digest_of("a"),))
    made(store, "c", ago=DAY, below=(digest_of("c"),))
    assert prune_cache(store, CacheRule(limit=1)).steps == 3


def test_a_layer_that_two_steps_made_counts_once(store: Store) -> None:
    layer = add_layer(store, "same", size=1 << 20)
    for name in ("one", "two"):
        Cache(store).remember(key(name), layer, 1.0, 1 << 20)
    assert usage(store).cache_size < 3 << 19
    assert prune_cache(store, CacheRule(limit=3 << 19)) == PruneResult()


def test_what_is_too_old_goes_whatever_its_size(store: Store) -> None:
    made(store, "new", ago=DAY)
    made(store, "old", ago=40 * DAY)
    prune(store, nothing_runs, cache=CacheRule(age=30 * DAY))
    assert [is_there(store, name) for name in ("new", "old")] == [True, False]


def test_a_use_makes_a_step_young(store: Store) -> None:
    made(store, "old", ago=40 * DAY)
    assert is_there(store, "old")
    prune_cache(store, CacheRule(age=30 * DAY))
    assert is_there(store, "old")


def test_what_a_running_build_found_stays(store: Store) -> None:
    layers = {made(store, "apt"), made(store, "pip")}
    made(store, "other")
    cache = Cache(store)
    with cache.hold():
        cache.find(key("apt"))
        cache.find(key("pip"))
        prune(store, nothing_runs, everything=True, cache=ALL)
        assert set(os.listdir(f"{store.path}/layers")) == layers
        assert is_there(store, "apt")
    prune_cache(store, ALL)
    assert os.listdir(f"{store.path}/layers") == []


def test_what_a_running_build_made_stays(store: Store) -> None:
    cache = Cache(store)
    with cache.hold():
        layer = add_layer(store, "new")
        cache.remember(key("new"), layer, 1.0, 1)
        prune_cache(store, ALL)
        assert store.find_layer(layer.key) is not None


def test_a_base_images_layers_are_held_when_its_name_goes(store: Store) -> None:
    add_image(store, "base", names=["debian:12"])
    layer = digest_of("base").hex
    with Cache(store).hold((layer,)):
        assert prune(store, nothing_runs, everything=True).layers == ()
    assert prune(store, nothing_runs).layers == (layer,)


def test_one_who_was_killed_holds_nothing(store: Store) -> None:
    made(store, "apt")
    child = os.fork()
    if not child:
        cache = Cache(store)
        with cache.hold():
            cache.find(key("apt"))
            os._exit(0)
    os.waitpid(child, 0)
    assert os.listdir(f"{store.path}/building") != []
    assert prune_cache(store, ALL).steps == 1
    prune(store, nothing_runs)
    assert os.listdir(f"{store.path}/building") == []


def test_a_hold_of_another_node_counts_for_a_day(store: Store) -> None:
    layer = made(store, "apt")
    os.mkdir(f"{store.path}/building")
    hold = Path(f"{store.path}/building/node7.4711.abcdef01-f00-1234-0123456789ab")
    hold.write_text(f"{key('apt').hex}\n{layer}\n")
    assert prune_cache(store, ALL).steps == 0
    then = time.time() - 2 * DAY
    os.utime(hold, (then, then))
    assert prune_cache(store, ALL).steps == 1


def test_of_two_builds_one_makes_a_step_and_the_other_finds_it(store: Store) -> None:
    told: list[tuple[bool, Found | None]] = []
    begun = threading.Event()

    def build(wait: float) -> None:
        cache = Cache(store)
        with cache.hold(), cache.flight(key("apt")) as mine:
            if mine:
                begun.set()
                time.sleep(wait)
                cache.remember(key("apt"), add_layer(store, "apt"), 1.0, 1)
            told.append((mine, cache.find(key("apt"))))

    first = threading.Thread(target=build, args=(0.3,))
    first.start()
    assert begun.wait(10)
    build(0.0)
    first.join()
    assert [mine for mine, _ in told] == [True, False]
    assert all(found is not None and found.diff_id == digest_of("apt") for _, found in told)


def test_a_limit_of_the_store_takes_what_builds_left_before_images(store: Store) -> None:
    made(store, "apt", size=1 << 20)
    add_image(store, "named", names=["mine:1"], sizes=1 << 20)
    gone = enforce_limit(store, 3 << 19, nothing_runs)
    assert (gone.steps, gone.images, gone.over) == (1, (), 0)
    assert not is_there(store, "apt")


def test_usage_counts_what_builds_left(store: Store) -> None:
    made(store, "apt", size=5000)
    add_image(store, "named", names=["mine:1"])
    Cache(store).remember(key("named"), store.find_layer(digest_of("named").hex), 1.0, 5000)
    found = usage(store)
    assert found.steps == 2
    assert 5000 <= found.cache_size < 10000
    assert found.reclaimable == 0
