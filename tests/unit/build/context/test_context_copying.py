"""COPY into an upper directory: where things go, whose they are, and what is in the way."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from layers import directory, file, make_removable, stack, symlink, tar_of
from wherry.base.errors import Conflict, UsageError
from wherry.build.context import copy_into, folder_in, select
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import CopyStep, Origin
from wherry.build.who import Ids
from wherry.image import Tree

ORIGIN = Origin(Position(3), "COPY", "0")
BASE = (
    directory("usr"),
    directory("usr/lib"),
    symlink("lib", "usr/lib"),
    directory("home"),
    directory("home/u", 0o2775, uid=1000, gid=1000),
    directory("tmp", 0o1777),
    directory("etc", 0o555),
    file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
    symlink("etc/link", "/usr/lib/real"),
    symlink("etc/circle", "circle"),
)


@pytest.fixture
def below(tmp_path: Path) -> Iterator[Tree]:
    yield Tree.of(stack([tar_of(BASE)], tmp_path / "layers"))
    make_removable(tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "dir" / "sub" / "b").write_text("b")
    (root / "dir" / "a").write_text("a")
    (root / "dir" / "l").symlink_to("a")
    (root / "f").write_text("f")
    (root / "run").write_text("run")
    for path, mode in (("dir", 0o700), ("dir/sub", 0o750), ("dir/a", 0o640), ("f", 0o644), ("run", 0o4755)):
        (root / path).chmod(mode)
    return root


class Copied:
    def __init__(self, upper: Path) -> None:
        self.path = upper

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*"))

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.path / name).lstat().st_mode)

    def owner(self, name: str) -> str:
        try:
            return os.getxattr(self.path / name, "user.wherry.owner").decode()
        except OSError:
            return ""


def copied(
    context: Path, below: Tree, sources: list[str], target: str, *, owner: Ids | None = None, **options: object
) -> Copied:
    upper = context.parent / "work" / "upper"
    upper.mkdir(parents=True, exist_ok=True)
    step = CopyStep(origin=ORIGIN, parent=0, sources=(), target=target, **options)  # type: ignore[arg-type]
    selection = select(str(context), sources, parents=step.parents)
    copy_into(str(upper), below, selection, step, owner=owner, mtime=1_000_000)
    return Copied(upper)


def test_a_file_gets_the_name_of_the_target(context: Path, below: Tree) -> None:
    found = copied(context, below, ["f"], "/opt/new/name")
    assert found.names() == ["opt", "opt/new", "opt/new/name"]
    assert (found / "opt/new/name").read_text() == "f"
    assert (found.mode("opt"), found.owner("opt")) == (0o755, "0:0:755")
    assert found.owner("opt/new/name") == ""


def test_a_file_goes_into_a_directory_that_is_there_or_is_meant(context: Path, below: Tree) -> None:
    assert copied(context, below, ["f"], "/tmp").names() == ["tmp", "tmp/f"]
    assert "new/f" in copied(context, below, ["f"], "/new/").names()


def test_of_a_directory_the_content_is_copied(context: Path, below: Tree) -> None:
    found = copied(context, below, ["dir"], "/app")
    assert found.names() == ["app", "app/a", "app/l", "app/sub", "app/sub/b"]
    assert found.mode("app/sub") == 0o750
    assert found.mode("app/a") == 0o640
    assert os.readlink(found / "app/l") == "a"


def test_links_on_the_way_are_followed_in_the_image(context: Path, below: Tree) -> None:
    found = copied(context, below, ["f"], "/lib/x/f")
    assert found.names() == ["usr", "usr/lib", "usr/lib/x", "usr/lib/x/f"]
    assert "usr/lib/real" in copied(context, below, ["f"], "/etc/link").names()
    with pytest.raises(Conflict, match="circle"):
        copied(context, below, ["f"], "/etc/circle")


def test_a_source_may_not_lead_out_of_the_image_by_its_own_links(context: Path, below: Tree, tmp_path: Path) -> None:
    (context / "dir" / "evil").symlink_to(tmp_path)
    copied(context, below, ["dir"], "/app")
    found = copied(context, below, ["f"], "/app/evil/f")
    assert not (tmp_path / "f").exists()
    assert (found / str(tmp_path).lstrip("/") / "f").read_text() == "f"


def test_with_link_links_of_the_image_make_room(context: Path, below: Tree) -> None:
    found = copied(context, below, ["f"], "/lib/f", link=True)
    assert found.names() == ["lib", "lib/f"]
    assert (found / "lib").is_dir()


def test_what_is_there_keeps_its_mode_owner_and_time(context: Path, below: Tree) -> None:
    found = copied(context, below, ["f"], "/home/u/f")
    assert found.owner("home/u") == ""
    assert found.mode("home/u") == 0o755  # the store's form of 2775: the layer's table says the rest
    assert (found / "home/u").stat().st_mtime == 1_700_000_000
    found = copied(context, below, ["f"], "/etc/f")
    assert found.mode("etc") == 0o555
    copied(context, below, ["dir/a"], "/etc/g")
    assert found.mode("etc") == 0o555


def test_new_times_are_one(context: Path, below: Tree) -> None:
    found = copied(context, below, ["dir"], "/app")
    assert {(found / name).lstat().st_mtime for name in found.names()} == {1_000_000}


def test_owners_are_given_to_all_that_is_new(context: Path, below: Tree) -> None:
    found = copied(context, below, ["dir"], "/opt/app", owner=Ids(33, 7))
    assert found.owner("opt") == "33:7:755"
    assert found.owner("opt/app/sub") == "33:7:750"
    assert found.owner("opt/app/a") == "33:7:640"
    lines = [json.loads(line) for line in (found.path.parent / "owners").read_text().splitlines()]
    assert lines == [{"path": "opt/app/l", "uid": 33, "gid": 7, "mode": 0o777}]


def test_modes_are_given_to_files_and_directories(context: Path, below: Tree) -> None:
    found = copied(context, below, ["dir"], "/app", mode="u=rwX,go=rX")
    assert found.mode("app/sub") == 0o755
    assert found.mode("app/a") == 0o644
    found = copied(context, below, ["f"], "/x", mode="600")
    assert found.mode("x") == 0o600
    found = copied(context, below, ["f"], "/y", mode="2000")
    assert (found.mode("y"), found.owner("y")) == (0o600, "0:0:2000")


def test_set_id_bits_are_noted_and_not_set(context: Path, below: Tree) -> None:
    found = copied(context, below, ["run"], "/run")
    assert (found.mode("run"), found.owner("run")) == (0o755, "0:0:4755")


def test_directories_are_merged_and_files_replaced(context: Path, below: Tree) -> None:
    copied(context, below, ["dir"], "/app")
    (context / "dir" / "a").write_text("new")
    (context / "dir" / "sub").chmod(0o711)
    found = copied(context, below, ["dir"], "/app")
    assert (found / "app/a").read_text() == "new"
    assert found.mode("app/sub") == 0o711
    assert (found / "app/sub/b").read_text() == "b"


def test_a_file_does_not_replace_a_directory_nor_the_other_way(context: Path, below: Tree) -> None:
    with pytest.raises(Conflict, match="cannot copy a directory to '/etc/passwd'"):
        copied(context, below, ["dir"], "/etc/passwd")
    with pytest.raises(Conflict, match="cannot copy a directory to '/etc/passwd'"):
        copied(context, below, ["f"], "/etc/passwd/f")
    (context / "other").mkdir()
    (context / "other" / "sub").write_text("file")
    copied(context, below, ["dir"], "/app")
    with pytest.raises(Conflict, match="cannot copy a file to '/app/sub'"):
        copied(context, below, ["other"], "/app")
    (context / "lib").mkdir()
    (context / "lib" / "lib").mkdir()
    with pytest.raises(Conflict, match="cannot copy a directory to '/lib': it is a link to 'usr/lib'"):
        copied(context, below, ["lib"], "/")


def test_several_files_need_a_directory(context: Path, below: Tree) -> None:
    with pytest.raises(UsageError, match="'/opt' is to be 2 files") as error:
        copied(context, below, ["[fr]*"], "/opt")
    assert error.value.hint == "with a slash at its end it is a directory: '/opt/'"
    assert copied(context, below, ["[fr]*"], "/opt/").names() == ["opt", "opt/f", "opt/run"]


def test_parents_are_made_with_their_modes(context: Path, below: Tree) -> None:
    found = copied(context, below, ["dir/sub/b"], "/app", parents=True)
    assert found.names() == ["app", "app/dir", "app/dir/sub", "app/dir/sub/b"]
    assert (found.mode("app/dir"), found.mode("app/dir/sub")) == (0o700, 0o750)


def test_a_directory_of_the_image_is_made_with_those_above(context: Path, below: Tree) -> None:
    upper = context.parent / "upper"
    upper.mkdir()
    assert folder_in(str(upper), below, "/lib/a/b") == [f"{upper}/usr/lib/a", f"{upper}/usr/lib/a/b"]
    with pytest.raises(Conflict):
        folder_in(str(upper), below, "/etc/passwd/x")


def test_nothing_stays_of_holes_but_holes(context: Path, below: Tree) -> None:
    with open(context / "sparse", "wb") as sparse:
        sparse.seek(64 << 20)
        sparse.write(b"end")
        sparse.truncate(128 << 20)
    found = copied(context, below, ["sparse"], "/sparse")
    status = (found / "sparse").stat()
    assert status.st_size == 128 << 20
    assert status.st_blocks * 512 < 1 << 20
    with open(found / "sparse", "rb") as copy:
        copy.seek(64 << 20)
        assert copy.read(4) == b"end\0"
