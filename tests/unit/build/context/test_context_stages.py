"""Copying from other stages: owners, modes, devices and attributes are those of the layers' tables."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from layers import Item, directory, file, hardlink, stack, symlink, tar_of, whiteout
from wherry.build.context import copy_into, digest, layers_root, select
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import CopyStep, Origin
from wherry.build.who import Ids
from wherry.image import Tree
from wherry.store import Layer, Store

CHAR, BLOCK, FIFO = b"3", b"4", b"6"
CAPABILITY = "SCHILY.xattr.security.capability"
LOWER = (
    directory("etc"),
    file("etc/gshadow", b"secret", 0o640, gid=42),
    file("etc/gone", b"x", uid=7),
    directory("srv", 0o2775, uid=33, gid=33),
    file("srv/a", b"a", 0o664, uid=33, gid=33),
    symlink("srv/l", "a"),
    Item("srv/pipe", FIFO, mode=0o620, uid=5),
    Item("srv/owned", b"2", target="x", uid=9, gid=8),
    directory("dev"),
    Item("dev/null", CHAR, mode=0o666, device=(1, 3)),
    Item("dev/sda", BLOCK, mode=0o660, gid=6, device=(8, 0)),
    Item("dev/hidden", CHAR, mode=0o600, device=(9, 9)),
    file("bin", b"run", 0o4755, uid=0),
    file("cap", b"cap", 0o755, pax={CAPABILITY: "\x01\x02", "SCHILY.xattr.user.note": "hello"}),
    file("one", b"linked", 0o600, uid=3),
    hardlink("two", "one"),
    file("closed", b"nobody may read it", 0o000, uid=0),
)
UPPER = (file("srv/b", b"b", 0o600, uid=1), whiteout("etc/gone"), whiteout("dev/hidden"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def layers(tmp_path: Path) -> Sequence[Layer]:
    return stack([tar_of(LOWER), tar_of(UPPER)], tmp_path / "layers")


def copied(store: Store, layers: Sequence[Layer], sources: list[str], tmp_path: Path, owner: Ids | None = None) -> Path:
    upper = tmp_path / "work" / "upper"
    upper.mkdir(parents=True)
    step = CopyStep(origin=Origin(Position(3), "COPY", "0"), parent=0, sources=(), target="/to/")
    copy_into(str(upper), Tree([]), select(layers_root(store, layers), sources), step, owner=owner, mtime=1)
    return upper / "to"


def owner(path: Path) -> str:
    return os.getxattr(path, "user.wherry.owner").decode()


def test_owners_modes_and_times_are_kept(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["srv", "etc", "bin"], tmp_path)
    assert owner(to / "gshadow") == "0:42:640"
    assert owner(to / "a") == "33:33:664"
    assert owner(to / "b") == "1:0:600"
    assert owner(to / "bin") == "0:0:4755"
    assert stat.S_IMODE((to / "bin").stat().st_mode) == 0o755
    assert not (to / "gone").exists()
    assert (to / "a").stat().st_mtime == 1_700_000_000
    assert os.readlink(to / "l") == "a"


def test_a_directory_keeps_what_it_has(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["."], tmp_path)
    assert owner(to / "srv") == "33:33:2775"
    assert owner(to / "dev") == "0:0:755"


def test_links_and_pipes_are_noted_beside(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["srv"], tmp_path)
    assert stat.S_ISFIFO((to / "pipe").lstat().st_mode)
    lines = [json.loads(line) for line in (tmp_path / "work" / "owners").read_text().splitlines()]
    assert {line["path"]: (line["uid"], line["gid"]) for line in lines} == {"to/owned": (9, 8), "to/pipe": (5, 0)}


def test_devices_are_noted_as_empty_files(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["dev"], tmp_path)
    assert sorted(path.name for path in to.iterdir()) == ["null", "sda"]
    assert (owner(to / "null"), owner(to / "sda")) == ("0:0:666:c:1:3", "0:6:660:b:8:0")
    assert (to / "null").stat().st_size == 0


def test_a_device_by_its_name(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    assert owner(copied(store, layers, ["dev/null"], tmp_path) / "null") == "0:0:666:c:1:3"


def test_attributes_are_kept(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["cap"], tmp_path)
    assert os.getxattr(to / "cap", "user.wherry.xattr.security.capability") == b"\x01\x02"
    assert os.getxattr(to / "cap", "user.note") == b"hello"


def test_names_of_one_file_stay_so(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["."], tmp_path)
    assert (to / "one").stat().st_ino == (to / "two").stat().st_ino
    assert owner(to / "two") == "3:0:600"


def test_a_name_that_another_file_took_is_not_linked_to(store: Store, tmp_path: Path) -> None:
    content = [directory("x"), directory("y"), directory("z"), file("x/f", b"1"), file("y/f", b"2")]
    layers = stack([tar_of([*content, hardlink("z/g", "x/f")])], tmp_path / "layers")
    to = copied(store, layers, ["x", "y", "z"], tmp_path)
    assert ((to / "f").read_bytes(), (to / "g").read_bytes()) == (b"2", b"1")


def test_a_new_owner_is_for_all(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    to = copied(store, layers, ["srv"], tmp_path, Ids(1, 2))
    assert (owner(to), owner(to / "a"), owner(to / "b")) == ("1:2:755", "1:2:664", "1:2:600")


def test_owners_belong_to_what_is_copied(store: Store, tmp_path: Path) -> None:
    found = []
    for number, uid in enumerate((1, 2, 2)):
        made = stack([tar_of([file("a", b"a", uid=uid)])], tmp_path / f"layers{number}")
        found.append(digest(select(layers_root(store, made), ["a"]), store.path))
    assert found[0] != found[1] == found[2]


def test_what_nobody_may_read_is_copied(store: Store, layers: Sequence[Layer], tmp_path: Path) -> None:
    found = select(layers_root(store, layers), ["closed"])
    assert digest(found) != digest(select(layers_root(store, layers), ["cap"]))
    to = copied(store, layers, ["closed"], tmp_path)
    assert (to / "closed").read_bytes() == b"nobody may read it"
    assert owner(to / "closed") == "0:0:0"
