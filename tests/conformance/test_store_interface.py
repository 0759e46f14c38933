"""One suite for every way in which a store can hold things: its own, a site's below it, or some of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stores import add_image, add_layer, content_of, digest_of, nothing_runs
from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound
from wherry.base.progress import silent
from wherry.base.reference import Reference
from wherry.store import Name, Store, open_at, prune, remove_image, usage

A1 = Reference.parse("reg.org:5000/group/a:1")


def own(folder: Path) -> tuple[Store, Digest]:
    store = open_at(str(folder / "own"))
    return store, add_image(store, "base", "top", names=[str(A1)])


def of_a_site(folder: Path) -> tuple[Store, Digest]:
    site = open_at(str(folder / "site"))
    image = add_image(site, "base", "top", names=[str(A1)])
    return open_at(str(folder / "own"), [site.path]), image


def of_a_closed_site(folder: Path) -> tuple[Store, Digest]:
    store, image = of_a_site(folder)
    for path, folders, files in os.walk(store.site[0].path):
        for name in files:
            os.chmod(f"{path}/{name}", 0o444)
        for name in folders:
            os.chmod(f"{path}/{name}", 0o555)
    os.chmod(store.site[0].path, 0o555)
    return store, image


def of_the_second_site(folder: Path) -> tuple[Store, Digest]:
    first, second = open_at(str(folder / "first")), open_at(str(folder / "second"))
    image = add_image(second, "base", "top", names=[str(A1)])
    return open_at(str(folder / "own"), [first.path, second.path]), image


def partly_of_a_site(folder: Path) -> tuple[Store, Digest]:
    site = open_at(str(folder / "site"))
    add_layer(site, "base")
    store = open_at(str(folder / "own"), [site.path])
    return store, add_image(store, "base", "top", names=[str(A1)])


@pytest.fixture(params=[own, of_a_site, of_a_closed_site, of_the_second_site, partly_of_a_site])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Digest]:
    make: Callable[[Path], tuple[Store, Digest]] = request.param
    return make(tmp_path)


def test_a_name_leads_to_an_image_and_to_its_layers(held: tuple[Store, Digest]) -> None:
    store, image = held
    assert store.name(A1) == Name(image, None, "linux/amd64")
    record = store.image_record(image)
    assert record is not None
    assert [content_of(layer) for layer in map(store.find_layer, record.layers) if layer] == ["base", "top"]


def test_listings_show_it_once(held: tuple[Store, Digest]) -> None:
    store, image = held
    assert [(ref, name.digest) for ref, name in store.names()] == [(A1, image)]
    assert [record.digest for record in store.image_records()] == [image]


def test_blobs_are_verified_when_read(held: tuple[Store, Digest]) -> None:
    store, image = held
    assert Digest.of(store.read_blob(image)) == image
    assert store.has_blob(image)
    with pytest.raises(NotFound):
        store.read_blob(digest_of("other"))


def test_the_same_by_digest(held: tuple[Store, Digest]) -> None:
    store, image = held
    assert store.name(A1.at(image)) == Name(image)


def test_a_lease_can_be_taken_or_is_not_needed(held: tuple[Store, Digest]) -> None:
    store, image = held
    lease = store.lease(image, "node", "boot")
    assert lease == "" or os.path.exists(lease)
    assert bool(lease) is (os.path.exists(store.record_path(image)))
    with pytest.raises(NotFound):
        store.lease(digest_of("other"), "node", "boot")


def test_one_of_the_files_named_for_a_reference_exists(held: tuple[Store, Digest]) -> None:
    store, _ = held
    assert sum(map(os.path.exists, store.name_paths(A1))) == 1
    assert sum(map(os.path.exists, store.name_paths(Reference.parse("none")))) == 0


def test_nobody_fetches_what_is_held(held: tuple[Store, Digest]) -> None:
    store, _ = held
    with store.flight(str(A1), silent, lambda: store.name(A1) is not None) as mine:
        assert not mine


def test_ones_own_name_hides_it_and_its_removal_shows_it_again(held: tuple[Store, Digest]) -> None:
    store, image = held
    before = store.name(A1)
    mine = add_image(store, "mine", names=["mine:1"])
    was_own = os.path.exists(store.name_path(A1))
    store.set_name(A1, Name(mine))
    assert store.name(A1) == Name(mine)
    if was_own:
        store.set_name(A1, Name(image, None, "linux/amd64"))
    else:
        assert store.remove_name(A1)
    assert store.name(A1) == before


def test_using_it_never_fails(held: tuple[Store, Digest]) -> None:
    store, image = held
    store.touch_image(image)


def test_only_ones_own_can_be_removed(held: tuple[Store, Digest]) -> None:
    store, image = held
    if os.path.exists(store.record_path(image)):
        remove_image(store, A1, nothing_runs)
        assert store.name(A1) is None
    else:
        with pytest.raises(Conflict):
            remove_image(store, A1, nothing_runs)
        assert store.name(A1) is not None


def test_prune_takes_nothing_of_it(held: tuple[Store, Digest]) -> None:
    store, _ = held
    gone = prune(store, nothing_runs)
    assert (gone.names, gone.images, gone.layers) == ((), (), ())
    test_a_name_leads_to_an_image_and_to_its_layers(held)
    assert usage(store).reclaimable == 0
