"""Scratch folders that are used again: as new, so that nobody sees who had them before."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from launcher_plans import Box, Operation, launcher


@pytest.fixture
def box(tmp_path: Path, one_processor: None) -> Box:
    return Box(tmp_path)


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


def test_a_folder_is_used_again_from_a_processor_near_by(tmp_path: Path, processors: list[int]) -> None:
    """A start may end on another processor than it began on: its folder must find a place, and be found."""
    near = next(((one, other) for one in processors for other in processors if one < other and one ^ other < 4), None)
    if near is None:
        pytest.skip("there is one processor")
    box, inodes = Box(tmp_path), set()
    for processor in (*near, *near):
        os.sched_setaffinity(0, {processor})
        box.shell("true")
        inodes.add(tuple(spare.stat().st_ino for spare in box.spare()))
    assert len(inodes) == 1 and len(inodes.pop()) == 1


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


def _shown(box: Box, script: str, *extra: Operation) -> str:
    """A start without namespaces, whose folders a program shows; ``$S`` is the scratch folder."""
    folders = (("tmp", 0o1777), ("run", 0o755), ("run/lock", 0o1777), ("home", 0o700))
    plan = box.write(
        [
            Operation("ID", ("",)),
            Operation("SCRATCH", ((str(box.scratch),), 0)),
            *[Operation("MKDIR", (f"\x01/{name}", mode)) for name, mode in folders],
            *extra,
            Operation("STDIO", (1,)),
            Operation("PLAIN"),
            Operation("WRAP", (("/usr/bin/env", "S=\x01"), ())),
            Operation("ENV_SET", (("PATH=/usr/bin:/bin", "HOME=/"),)),
            Operation("CWD", ("/", 0)),
            Operation("EXEC", ((), (), 0)),
        ]
    )
    argv = [launcher(), "run", "--plan", plan, "--", "/bin/sh", "-c", script]
    done = subprocess.run(argv, check=True, env=box.environment(), stdout=subprocess.PIPE, text=True, timeout=60)
    return done.stdout


_SHOWN = "cd $S; find . -mindepth 1 -printf '%P %m\\n' | sort"
_AS_NEW = "home 700\nrun 755\nrun/lock 1777\ntmp 1777\n"


def test_folders_that_a_program_shows_are_used_again(box: Box) -> None:
    assert _shown(box, _SHOWN) == _AS_NEW
    (spare,) = box.spare()
    first = spare.stat().st_ino
    assert _shown(box, _SHOWN) == _AS_NEW
    (spare,) = box.spare()
    assert (spare.stat().st_ino, box.left()) == (first, [])


@pytest.mark.parametrize(
    "change",
    [
        "touch tmp/a home/.b run/lock/c new; mkdir -p d/e; ln -s / tmp/root; ln -s tmp f",
        "rm -r tmp; ln -s /etc tmp",
        "rm -r tmp run; touch tmp; mkdir -m 1777 run",
        "chmod 777 tmp home; chmod 0 run",
        "mkdir -p tmp/1/2/3; chmod 0 tmp/1/2 tmp/1; mv home tmp/home",
        "mkdir -p run/lock/tmp home/run/lock tmp/home; touch home/run/lock/x",
    ],
)
def test_what_was_changed_in_shown_folders_is_seen_by_nobody_after(box: Box, change: str) -> None:
    _shown(box, f"cd $S; {change}")
    assert box.left() == []
    assert _shown(box, _SHOWN) == _AS_NEW
    (spare,) = box.spare()
    assert sorted(path.name for path in spare.rglob("*")) == ["home", "lock", "run", "tmp"]


def test_an_attribute_of_a_shown_folder_is_seen_by_nobody_after(box: Box) -> None:
    _shown(box, "true")
    (spare,) = box.spare()
    os.setxattr(spare / "tmp", "user.note", b"mine")
    _shown(box, "true")
    assert os.listdir(spare / "run") == ["lock"] and not (spare / "tmp").exists()
    assert _shown(box, _SHOWN) == _AS_NEW


def test_each_kind_of_start_has_folders_of_its_own(box: Box) -> None:
    box.shell("true")
    _shown(box, "true")
    assert [spare.name.startswith("spare.shown.") for spare in box.spare()] == [False, True]
    assert _shown(box, _SHOWN) == _AS_NEW
    assert box.shell("ls -A /tmp") == ""


def test_files_that_a_start_wrote_for_its_program_are_not_kept(box: Box) -> None:
    _shown(box, "cat $S/words", Operation("WRITE", ("\x01/words", "once")))
    assert box.spare() == [] and box.left() == []
