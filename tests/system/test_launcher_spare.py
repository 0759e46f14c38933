"""Scratch folders that are used again: as new, so that nobody sees who had them before."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher_plans import Box, launcher


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one processor, one spare folder
    return made


@pytest.fixture(autouse=True)
def _processors() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_a_folder_is_used_again(box: Box) -> None:
    box.shell("true")
    (spare,) = box.spare()
    assert os.listdir(spare / "upper") == []
    first = spare.stat().st_ino
    for _ in range(3):
        assert box.shell("ls -A /").split() == sorted(["bin", "dev", "etc", "home", "proc", "sys", "tmp"])
        (spare,) = box.spare()
        assert spare.stat().st_ino == first
        assert os.listdir(spare / "work") == ["work"], "what the overlay before left is gone"
    assert box.left() == []


@pytest.mark.parametrize(
    "change",
    ["touch /new", "rm /bin/ls", "chmod 700 /", "mkdir /a && chmod 0 /a", "echo more >> /bin/busybox || mv /tmp /tmp2"],
)
def test_what_was_changed_is_seen_by_nobody_after(box: Box, change: str) -> None:
    look = "ls -lAn / /bin | grep -v proc; ls -ldn / | cut -c1-30"
    before = box.shell(look)
    box.shell(change)
    assert [os.listdir(spare / "upper") for spare in box.spare()] == ([] if "700 /" in change else [[]])
    assert box.left() == []
    assert box.shell(look) == before


def test_an_attribute_on_the_root_is_seen_by_nobody_after(box: Box) -> None:
    box.shell("true")
    (spare,) = box.spare()
    os.setxattr(spare / "upper", "user.note", b"mine")
    box.shell("true")
    assert box.spare() == []
    assert box.left() == []


def test_a_spare_folder_that_somebody_spoilt_is_not_kept(box: Box) -> None:
    box.shell("true")
    (spare,) = box.spare()
    (spare / "work" / "old").mkdir()
    (spare / "work" / "old" / "full").touch()
    assert box.run("true").returncode in (0, 125)
    assert box.shell("echo well") == "well\n"
    assert box.left() == []


def test_a_kept_container_keeps_its_own(box: Box) -> None:
    box.shell("true")
    (spare,) = box.spare()
    operations = box.operations(entry=["touch", "/mine"])
    kept = [type(item)("SCRATCH", (item.fields[0], 1)) if item.kind == "SCRATCH" else item for item in operations]
    subprocess.run([launcher(), "run", "--plan", box.write(kept)], check=True, env=box.environment())
    (left,) = box.left()
    assert (box.scratch / left / "upper" / "mine").exists()
    assert box.spare() == [spare]


def test_a_folder_that_was_used_often_is_made_anew(box: Box) -> None:
    """The time at which its work directory was read counts; ext4 without a journal wants another place then."""
    box.shell("true")
    (spare,) = box.spare()
    uses = (spare / "work").stat().st_atime
    box.shell("true")
    assert (spare / "work").stat().st_atime == uses + 1
    os.utime(spare / "work", (64, (spare / "work").stat().st_mtime))
    box.shell("true")
    assert box.spare() == [] and box.left() == []
    box.shell("true")
    assert len(box.spare()) == 1
