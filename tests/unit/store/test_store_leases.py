from __future__ import annotations

import os
from pathlib import Path

import pytest

from stores import add_image, age, digest_of
from wherry.base.errors import NotFound
from wherry.store import Store, leases, open_at

HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def test_a_lease_is_one_file_that_says_which_boot(store: Store) -> None:
    image = add_image(store, "a")
    path = store.lease(image, "node7", "boot-1")
    assert path == f"{store.path}/leases/{image.hex}/node7"
    assert Path(path).read_text() == "boot-1\n"
    assert [(lease.node, lease.boot_id) for lease in store.leases(image)] == [("node7", "boot-1")]


def test_a_lease_is_renewed_by_its_time(store: Store) -> None:
    image = add_image(store, "a")
    path = store.lease(image, "node7", "boot-1")
    age(path, HOUR)
    before = os.stat(path)
    assert store.lease(image, "node7", "boot-1") == path
    after = os.stat(path)
    assert after.st_ino == before.st_ino
    assert after.st_mtime > before.st_mtime + HOUR / 2


def test_a_lease_of_an_earlier_boot_is_written_anew(store: Store) -> None:
    image = add_image(store, "a")
    store.lease(image, "node7", "boot-1")
    path = store.lease(image, "node7", "boot-2")
    assert Path(path).read_text() == "boot-2\n"


def test_each_node_has_its_own(store: Store) -> None:
    image = add_image(store, "a")
    for node in ("n1", "n2.cluster", "n3"):
        store.lease(image, node, "b")
    assert [lease.node for lease in store.leases(image)] == ["n1", "n2.cluster", "n3"]


def test_an_image_that_is_not_here_cannot_be_leased(store: Store) -> None:
    with pytest.raises(NotFound):
        store.lease(digest_of("none"), "n1", "b")
    assert not os.path.exists(f"{store.path}/leases/{digest_of('none').hex}/n1")


def test_an_image_removed_while_its_lease_was_written_is_not_leased(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record looked up, lease written, record gone: the start must hear of it."""
    image = add_image(store, "a")
    take = leases.take

    def taken_late(*arguments: object) -> str:
        path = take(*arguments)  # type: ignore[arg-type]
        os.rename(store.record_path(image), f"{store.path}/images/.{image.hex}")
        return path

    monkeypatch.setattr(leases, "take", taken_late)
    with pytest.raises(NotFound):
        store.lease(image, "n1", "b")
    assert [lease.node for lease in store.leases(image)] == ["n1"]  # it may be another start's, too


def test_a_sites_image_needs_no_lease(tmp_path: Path) -> None:
    site = open_at(str(tmp_path / "site"))
    image = add_image(site, "a")
    own = open_at(str(tmp_path / "own"), [site.path])
    assert own.lease(image, "n1", "b") == ""
    assert site.leases(image) == []


@pytest.mark.parametrize(
    ("node", "boot_id", "seconds", "fresh"),
    [
        ("other", "x", 0.0, True),
        ("other", "x", 23 * HOUR, True),
        ("other", "x", 25 * HOUR, False),
        ("me", "mine", 23 * HOUR, True),
        ("me", "mine", 25 * HOUR, False),
        ("me", "earlier", 0.0, False),
        ("me", "", 0.0, True),
    ],
)
def test_a_lease_is_stale_after_a_day_or_a_new_boot(node: str, boot_id: str, seconds: float, fresh: bool) -> None:
    from wherry.store import Lease

    assert leases.is_fresh(Lease(node, boot_id, 1e6 - seconds, ""), 1e6, "me", "mine") is fresh


def test_a_hidden_lease_still_counts_and_comes_back(store: Store) -> None:
    image = add_image(store, "a")
    path = store.lease(image, "n1.x", "b")
    hidden = leases.hide(store.path, image, "n1.x")
    assert len(hidden) == 1
    assert not os.path.exists(path)
    assert [lease.node for lease in store.leases(image)] == ["n1.x"]
    leases.restore(hidden)
    assert os.listdir(os.path.dirname(path)) == ["n1.x"]


def test_a_lease_taken_while_another_was_hidden_stays(store: Store) -> None:
    image = add_image(store, "a")
    path = store.lease(image, "n1", "old")
    hidden = leases.hide(store.path, image, "n1")
    store.lease(image, "n1", "new")
    leases.restore(hidden)
    assert Path(path).read_text() == "new\n"
    assert os.listdir(os.path.dirname(path)) == ["n1"]


def test_nothing_to_hide(store: Store) -> None:
    assert leases.hide(store.path, digest_of("x"), "n1") == []


def test_each_session_of_a_node_has_its_own(store: Store, tmp_path: Path) -> None:
    image = add_image(store, "a")
    for name in ("login", "job"):
        (tmp_path / name).mkdir()
    paths = {store.lease(image, "n1", "b", str(tmp_path / name)) for name in ("login", "job")}
    paths.add(store.lease(image, "n1", "b"))
    assert len(paths) == 3
    found = store.leases(image)
    assert {lease.node for lease in found} == {"n1"}
    assert {lease.session for lease in found} == {
        "",
        leases.session_of(str(tmp_path / "login")),
        leases.session_of(str(tmp_path / "job")),
    }


def test_a_session_hides_its_own_lease_only(store: Store, tmp_path: Path) -> None:
    image = add_image(store, "a")
    for name in ("login", "job"):
        (tmp_path / name).mkdir()
    mine, theirs = (store.lease(image, "n1", "b", str(tmp_path / name)) for name in ("login", "job"))
    hidden = leases.hide(store.path, image, "n1", leases.session_of(str(tmp_path / "login")))
    assert not os.path.exists(mine)
    assert os.path.exists(theirs)
    leases.restore(hidden)
    assert os.path.exists(mine)


@pytest.mark.parametrize(
    ("node", "session", "mine", "hours", "used"),
    [
        ("other", "s", "s", 23, True),
        ("other", "s", "", 23, True),
        ("other", "s", "", 25, False),
        ("me", "s", "s", 0, False),
        ("me", "s", "", 0, False),
        ("me", "", "s", 0, True),
        ("me", "t", "s", 2.5, True),
        ("me", "t", "s", 3.5, False),
    ],
)
def test_what_cannot_be_seen_from_here_may_be_used(
    node: str, session: str, mine: str, hours: float, used: bool
) -> None:
    from wherry.store import Lease

    lease = Lease(node, "boot", 1e6 - hours * HOUR, "", session)
    assert leases.may_be_used(lease, 1e6, "me", "boot", mine) is used
