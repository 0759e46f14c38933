"""Every kind of thing that was consulted becomes a record, and any change of it is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from launch_fakes import make_plan

from wherry.base.outside import Outside, confined_to
from wherry.launch import LaunchPlan, with_inputs
from wherry.launch.plan import Operation, PlanFile

EMPTY = LaunchPlan((), ())


def old(path: Path, text: str = "x") -> Path:
    """A file whose stamps can be trusted: changed long ago, as far as a user can set that."""
    path.write_text(text)
    os.utime(path, ns=(1, 1))
    return path


def records(outside: Outside, plan: LaunchPlan = EMPTY) -> dict[str, Operation]:
    return {item.kind: item for item in with_inputs(plan, outside).inputs}


def test_a_young_file_is_compared_by_content(tmp_path: Path) -> None:
    """Its stamp may be the same after the next change: clocks of file systems are coarse."""
    path = tmp_path / "name"
    path.write_bytes(b"sha256:x\n")
    outside = Outside({})
    outside.read(str(path))
    assert records(outside)["CONTENT"].fields == (str(path), b"sha256:x\n")


def test_an_old_file_is_compared_by_stamp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reading it at every start would cost more."""
    path = old(tmp_path / "name")
    found = path.stat()
    outside = Outside({})
    outside.stat(str(path))
    monkeypatch.setattr("time.time_ns", lambda: found.st_ctime_ns + 3_000_000_000)
    fields = records(outside)["FILE"].fields
    assert fields == (
        *(str(path), 1, found.st_dev, found.st_ino, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns, found.st_mode),
    )


def test_a_young_large_file_makes_the_plan_single_use(tmp_path: Path) -> None:
    """It is executed, and not saved."""
    path = tmp_path / "large"
    path.write_bytes(b"x" * 70_000)
    outside = Outside({})
    outside.stat(str(path))
    assert not with_inputs(EMPTY, outside).reusable


def test_a_file_that_changed_while_planning_makes_the_plan_single_use(tmp_path: Path) -> None:
    """What was planned from is no longer there."""
    path = tmp_path / "name"
    path.write_text("one")
    outside = Outside({})
    outside.read(str(path))
    path.write_text("longer")
    assert not with_inputs(EMPTY, outside).reusable


def test_a_missing_file_is_an_input_too(tmp_path: Path) -> None:
    """That it appears must be noticed."""
    outside = Outside({})
    outside.read(str(tmp_path / "none"))
    assert records(outside)["FILE"].fields == (str(tmp_path / "none"), *[0] * 7)


def test_all_kinds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each question to the outside world is a record."""
    monkeypatch.chdir(tmp_path)
    outside = Outside({"A": "1", "LC_TIME": "C", "EMPTY": ""})
    outside.env("A")
    outside.env("B")
    outside.envs("LC_")
    identity = outside.identity()
    outside.node()
    outside.boot_id()
    outside.cwd()
    outside.nearest("wherry.toml")
    outside.local_file("debian")
    assert outside.apart(("/", "/usr"))
    assert outside.content("/proc/sys/kernel/ostype") == b"Linux\n"
    outside.real("/proc/self/..")
    outside.terminal(2)
    outside.machine()
    outside.around()
    assert outside.processors(1) == len(os.sched_getaffinity(0))
    found = {(item.kind, *item.fields) for item in with_inputs(EMPTY, outside).inputs}
    assert ("ENV", "A", 1, "1") in found
    assert ("ENV", "B", 0, "") in found
    assert ("ENVS", "LC_", ("LC_TIME=C",)) in found
    assert ("IDENTITY", identity.uid, identity.gid, tuple(map(str, identity.groups))) in found
    assert ("NODE", os.uname().nodename) in found
    assert ("CWD", str(tmp_path)) in found
    assert ("NEAREST", "wherry.toml", "") in found
    assert ("LOCAL", "debian", 0) in found
    assert ("APART", ("/", "/usr")) in found
    assert ("CONTENT", "/proc/sys/kernel/ostype", b"Linux\n") in found
    assert ("REAL", "/proc/self/..", "/proc") in found
    assert ("TERMINAL", 2, int(os.isatty(2))) in found
    assert ("MACHINE", os.uname().machine) in found
    assert ("AROUND", confined_to()) in found
    assert ("PROCESSORS", 1) in found
    assert confined_to().startswith(f"{os.stat('/proc/self/ns/user').st_ino} Seccomp:")


def test_a_young_entry_makes_the_plan_single_use(tmp_path: Path) -> None:
    """What it held was read by somebody else: its content now need not be what was read."""
    path = tmp_path / "link"
    path.symlink_to("nowhere")
    outside = Outside({})
    outside.entry(str(path))
    assert not with_inputs(EMPTY, outside).reusable


def test_an_entry_is_old_when_the_looking_began(tmp_path: Path) -> None:
    """Not when the plan is saved: what was changed while it was made is not trusted by its stamp."""
    path = tmp_path / "link"
    path.symlink_to("nowhere")
    found = path.lstat()
    outside = Outside({})
    outside.entry(str(path))
    plan = with_inputs(EMPTY, outside, found.st_ctime_ns + 3_000_000_000)
    fields = (1, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
    assert plan.reusable
    assert plan.inputs[1] == Operation("ENTRY", (str(path), *fields))
    assert not with_inputs(EMPTY, outside, found.st_ctime_ns + 1_000_000_000).reusable


def test_what_was_seen_first_counts(tmp_path: Path) -> None:
    """A place that was empty when it was looked at is a change when it is not, whatever is told of it later."""
    path = tmp_path / "new"
    outside = Outside({})
    outside.entry(str(path))
    path.touch()
    outside.entry(str(path))
    assert records(outside)["ENTRY"].fields == (str(path), *[0] * 7)


def test_a_large_content_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 70_000)
    with pytest.raises(OSError, match="more than a plan compares"):
        Outside({}).content(str(path))


def test_an_empty_variable_is_not_an_unset_one() -> None:
    """The launcher compares what is there."""
    outside = Outside({"EMPTY": ""})
    assert outside.env("EMPTY") is None
    assert records(outside)["ENV"].fields == ("EMPTY", 1, "")


def test_files_that_the_plan_binds_are_inputs(tmp_path: Path) -> None:
    """A cleaner of /tmp may take them; then the next start plans anew instead of failing."""
    path = tmp_path / "passwd"
    path.write_text("x")
    plan = LaunchPlan((), (), (PlanFile(str(path), b"x"),))
    assert records(Outside({}), plan)["FILE"].fields[0] == str(path)


def test_wherrys_version_comes_first() -> None:
    """A newer Wherry plans anew."""
    from wherry import __version__

    assert with_inputs(make_plan(), Outside({})).inputs[0] == Operation("VERSION", (__version__,))


@pytest.mark.parametrize(
    ("directory", "apart"),
    [("/", False), ("/usr", False), ("/usr/share", False), ("/tmp", True), ("/var/tmp", True)],
)
def test_apart_knows_system_directories(monkeypatch: pytest.MonkeyPatch, directory: str, apart: bool) -> None:
    """And '/' stands for itself alone."""
    monkeypatch.chdir(directory)
    assert Outside({}).apart(("/", "/usr")) is apart


ASKED: list[Callable[[Outside], object]] = [
    lambda outside: outside.env("A"),
    lambda outside: outside.envs("A"),
    lambda outside: outside.cwd(),
    lambda outside: outside.local_file("f"),
    lambda outside: outside.nearest("f"),
    lambda outside: outside.stat("f"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_change_changes_the_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: Callable[[Outside], object]
) -> None:
    """Two worlds that differ in what was asked give different inputs."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (two / "f").write_text("x")
    monkeypatch.chdir(one)
    first = Outside({"A": "1"})
    ask(first)
    monkeypatch.chdir(two)
    second = Outside({"A": "2"})
    ask(second)
    assert with_inputs(EMPTY, first).inputs != with_inputs(EMPTY, second).inputs
