from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from stores import age, digest_of, fill, left_over
from wherry.store import Store, open_at
from wherry.store.discard import delete_tree, sweep
from wherry.store.processes import current, is_dead, parse_tmp_name, tmp_name

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def a_dead_pid() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def renamed(name: str, **changes: object) -> str:
    """A tmp name with parts replaced: node, pid, boot, namespace, start."""
    node, pid, rest = name.rsplit(".", 2)
    boot, namespace, start, tail = rest.split("-")
    parts = {"node": node, "pid": pid, "boot": boot, "namespace": namespace, "start": start} | changes
    return "{node}.{pid}.{boot}-{namespace}-{start}-".format(**parts) + tail


def test_a_tree_with_closed_folders_goes(tmp_path: Path) -> None:
    for mode in (0o000, 0o100, 0o200, 0o400, 0o500):
        folder = tmp_path / "t" / f"{mode:o}" / "inner" / "deep"
        folder.mkdir(parents=True)
        (folder / "file").touch(0o000)
        folder.chmod(mode)
        folder.parent.chmod(mode)
        folder.parent.parent.chmod(mode)
    (tmp_path / "t").chmod(0o000)
    assert delete_tree(str(tmp_path / "t"))
    assert os.listdir(tmp_path) == []


def test_a_tree_of_three_thousand_levels_goes(tmp_path: Path) -> None:
    """Deeper than paths may be long, than the interpreter recurses, than a process may open files."""
    (tmp_path / "t").mkdir()
    fd = os.open(tmp_path / "t", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("long-folder-name", dir_fd=fd)
        inner = os.open("long-folder-name", os.O_RDONLY, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.close(fd)
        fd = inner
    os.close(fd)
    assert delete_tree(str(tmp_path / "t"))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir(0o500)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "t" / "dangling").symlink_to("/nowhere")
    (tmp_path / "alias").symlink_to(tmp_path / "precious")
    assert delete_tree(str(tmp_path / "t"))
    assert delete_tree(str(tmp_path / "alias"))
    assert os.listdir(tmp_path) == ["precious"]
    assert (tmp_path / "precious").stat().st_mode & 0o777 == 0o500


def test_any_tree_goes(tmp_path: Path) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        folders = [tmp_path / "t"]
        folders[0].mkdir()
        for number in range(60):
            parent = chance.choice(folders)
            if chance.random() < 0.5:
                (parent / f"d{number}").mkdir()
                folders.append(parent / f"d{number}")
            elif chance.random() < 0.5:
                (parent / f"f{number}\n\udcff").touch()
            else:
                os.mkfifo(parent / f"p{number}")
        for folder in reversed(folders):
            folder.chmod(chance.choice([0o000, 0o300, 0o500, 0o755]))
        assert delete_tree(str(tmp_path / "t")), seed
        assert os.listdir(tmp_path) == []


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert delete_tree(str(tmp_path / "none"))


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed" / "t").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o500)
    assert not delete_tree(str(tmp_path / "closed" / "t"))
    (tmp_path / "closed").chmod(0o700)


def test_a_tmp_name_says_whose_it_is() -> None:
    assert parse_tmp_name(tmp_name()) is not None
    owner = parse_tmp_name(renamed(tmp_name(), node="n7.cluster.org"))
    assert owner is not None
    assert (owner.node, owner.pid) == ("n7.cluster.org", os.getpid())
    assert tmp_name() != tmp_name()


@pytest.mark.parametrize("name", ["", "x", "notes.txt", "a.b.c", "a.12.c", "n.1.a-b-x-d", "node.12.ab-1-2-3-4"])
def test_other_names_are_nobodys(name: str) -> None:
    assert parse_tmp_name(name) is None


def test_a_living_process_is_not_dead() -> None:
    assert not is_dead(current())
    owner = parse_tmp_name(tmp_name())
    assert owner is not None
    assert not is_dead(owner)


def test_a_zombie_is_dead() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    here = current()
    assert is_dead(type(here)(here.node, here.boot_id, here.namespace, child, 0))
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("changes", "days", "goes"),
    [
        ({}, 2, False),
        ({"pid": 0}, 0, False),
        ({"start": "1"}, 0, True),
        ({"boot": "00000000"}, 0, True),
        ({"boot": ""}, 0.9, False),
        ({"boot": ""}, 1.1, True),
        ({"node": "elsewhere", "boot": "00000000"}, 0.9, False),
        ({"node": "elsewhere", "boot": "00000000"}, 1.1, True),
        ({"namespace": "1", "start": "1"}, 0.9, False),
        ({"namespace": "1", "start": "1"}, 1.1, True),
    ],
)
def test_what_is_swept(store: Store, changes: dict[str, object], days: float, goes: bool) -> None:
    store.new_work()
    path = f"{store.path}/tmp/{renamed(tmp_name(), **changes)}"
    os.mkdir(path)
    age(path, days * DAY)
    sweep(store.path)
    assert os.path.exists(path) is not goes


def test_the_works_of_a_dead_process_are_swept_and_mine_stay(store: Store) -> None:
    mine = store.new_work()
    theirs = f"{store.path}/tmp/{renamed(tmp_name(), pid=a_dead_pid())}"
    os.mkdir(theirs)
    fill(theirs, "half")
    os.chmod(f"{theirs}/tree", 0o000)
    assert sweep(store.path) == 1
    assert left_over(store) == [os.path.basename(mine)]


def test_what_the_store_did_not_make_is_never_swept(store: Store) -> None:
    os.makedirs(f"{store.path}/tmp/my notes")
    age(f"{store.path}/tmp/my notes", 100 * DAY)
    sweep(store.path)
    assert left_over(store) == ["my notes"]


def test_downloads_wait_a_week_to_be_resumed(store: Store) -> None:
    for days in (6, 8):
        path = store.partial_path(digest_of(str(days)))
        Path(path).touch()
        age(path, days * DAY)
    sweep(store.path)
    assert os.listdir(f"{store.path}/partial") == [digest_of("6").hex]


def test_new_work_sweeps_once(store: Store) -> None:
    from wherry.store import discard

    theirs = f"{store.path}/tmp/{renamed(tmp_name(), pid=a_dead_pid())}"
    os.makedirs(theirs)
    discard._swept.discard(store.path)
    mine = store.new_work()
    assert left_over(store) == [os.path.basename(mine)]
