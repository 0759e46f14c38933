"""Saved plans: where they lie, and how many."""

from __future__ import annotations

import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import pytest
from launch_fakes import make_plan

from wherry.base.errors import LaunchError
from wherry.base.outside import Outside
from wherry.launch import decode, encode, execute, launcher_path, save, save_answer, start, write_files
from wherry.launch.plan import LaunchPlan, Operation, PlanFile
from wherry.launch.saved import MAX_PLANS, plan_hash

PLAN = LaunchPlan((), (Operation("LOOPBACK"),))


def test_the_hash_is_fnv1a_over_lengths_and_words() -> None:
    """Published values of the function, and lengths keep words apart."""
    assert plan_hash(()) == "cbf29ce484222325"
    assert plan_hash(("wherry", "run")) == "23c8aa8e9a91456a"
    assert plan_hash(("ab", "c")) != plan_hash(("a", "bc"))


def test_a_saved_plan_begins_with_its_prefix(tmp_path: Path) -> None:
    """And only its user can read it."""
    path = save(PLAN, ("wherry", "run", "debian"), str(tmp_path))
    assert path == f"{tmp_path}/plans/{plan_hash(('wherry', 'run', 'debian'))}.plan"
    found = decode(Path(path).read_bytes())
    assert found.inputs[0] == Operation("PREFIX", (("wherry", "run", "debian"),))
    assert found.operations == PLAN.operations
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(f"{tmp_path}/plans") == [os.path.basename(path)]


def test_what_another_left_half_written_is_not_in_the_way(tmp_path: Path) -> None:
    """A process with the same number, of another pid namespace, has another temporary name."""
    (tmp_path / "plans").mkdir()
    target = f"{tmp_path}/plans/{plan_hash(('wherry',))}.plan"
    (tmp_path / "plans" / f"{os.path.basename(target)}.{os.getpid()}").mkdir()
    assert save(PLAN, ("wherry",), str(tmp_path)) == target


def test_a_plan_for_one_container_is_not_saved(tmp_path: Path) -> None:
    """The next command line would start the same container."""
    assert save(msgspec.structs.replace(PLAN, reusable=False), ("wherry",), str(tmp_path)) is None


def test_a_plan_that_cannot_be_saved_is_no_error(tmp_path: Path) -> None:
    """The next start plans anew."""
    (tmp_path / "plans").write_text("a file")
    assert save(PLAN, ("wherry",), str(tmp_path)) is None
    assert save(PLAN, tuple(map(str, range(70))), str(tmp_path)) is None


def test_an_answer_has_all_that_was_consulted_and_where_it_was(tmp_path: Path) -> None:
    """And no operation but its own."""
    outside = Outside({"A": "1", "PATH": "/bin"})
    outside.env("A")
    words = ("wherry", "build", ".")
    path = save_answer(b"err\n", b"out\n", ("/store/built/x",), words, outside, str(tmp_path), 1)
    assert path is not None
    found = decode(Path(path).read_bytes())
    assert found.inputs[0] == Operation("PREFIX", (words,))
    assert [item.kind for item in found.inputs[1:]] == [
        *("VERSION", "ENV", "IDENTITY", "NODE", "BOOT", "MACHINE", "AROUND", "ENV")
    ]
    assert found.operations == (Operation("USED", (("/store/built/x",),)), Operation("ANSWER", (b"err\n", b"out\n")))


def test_the_oldest_plans_go(tmp_path: Path) -> None:
    """At most 512 stay."""
    folder = tmp_path / "plans"
    folder.mkdir()
    for number in range(MAX_PLANS):
        (folder / f"{number:016x}.plan").touch()
    os.utime(folder / f"{5:016x}.plan", ns=(1, 1))
    save(PLAN, ("new",), str(tmp_path))
    assert len(os.listdir(folder)) == MAX_PLANS
    assert not (folder / f"{5:016x}.plan").exists()
    assert (folder / f"{plan_hash(('new',))}.plan").exists()


def test_files_are_written_once(tmp_path: Path) -> None:
    """They are named by content, so an existing one is the same."""
    file = PlanFile(f"{tmp_path}/files/abc", b"alice")
    plan = msgspec.structs.replace(PLAN, files=(file,))
    write_files(plan)
    os.utime(file.path, ns=(1, 1))
    write_files(plan)
    assert os.stat(file.path).st_mtime_ns == 1
    assert Path(file.path).read_bytes() == b"alice"


def _stamps(plan: LaunchPlan) -> list[tuple[int, int]]:
    write_files(plan)
    found = [os.stat(file.path) for file in plan.files]
    return [(entry.st_ino, entry.st_ctime_ns) for entry in found]


def test_who_begins_at_once_sees_files_that_nobody_changes_any_more(tmp_path: Path) -> None:
    """The stamps become part of each one's plan, which would be out of date before it is carried out."""
    with ProcessPoolExecutor(8, multiprocessing.get_context("fork")) as pool:
        for number in range(40):
            top = f"{tmp_path}/files/{number:032x}"
            files = [PlanFile(top, None, 0o755), PlanFile(f"{top}/etc", None, 0o755)]
            files += [PlanFile(f"{top}/etc/{name}", b"x") for name in "abcdef"]
            plan = msgspec.structs.replace(PLAN, files=tuple(files))
            seen = list(pool.map(_stamps, [plan] * 8))
            assert seen == [_stamps(plan)] * 8
    assert all(len(name.lstrip(".")) == 32 for name in os.listdir(tmp_path / "files")), "none is left unfinished"


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """They are seen inside: passwd is everybody's to read, the home nobody else's."""
    top = f"{tmp_path}/files/hash"
    files = (PlanFile(top, None, 0o755), PlanFile(f"{top}/tmp", None, 0o1777), PlanFile(f"{top}/passwd", b"x"))
    before = os.umask(0o077)
    try:
        write_files(msgspec.structs.replace(PLAN, files=files))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(os.stat(file.path).st_mode) for file in files] == [0o755, 0o1777, 0o644]


def test_files_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    """The start would fail without them."""
    (tmp_path / "files").write_text("")
    with pytest.raises(LaunchError):
        write_files(msgspec.structs.replace(PLAN, files=(PlanFile(f"{tmp_path}/files/abc", b""),)))


def test_a_missing_launcher_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With what to do; a traceback is a bug."""
    monkeypatch.setenv("WHERRY_LAUNCHER", f"{tmp_path}/none")
    assert launcher_path() == f"{tmp_path}/none"
    with pytest.raises(LaunchError, match="cannot start"):
        execute(PLAN)
    with pytest.raises(LaunchError, match="cannot start"):
        start(PLAN)


def test_a_plan_in_memory_reaches_the_launcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a file of the user's own, 0600, with the arguments after --, and with the prefix that the format wants."""
    import subprocess

    program = tmp_path / "launcher"
    program.write_text('#!/bin/sh\nstat -L -c %a:%s "$3"\nshift 3\necho "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("WHERRY_LAUNCHER", str(program))
    plan = make_plan()
    child = start(plan, ("a b", "c"), stdout=subprocess.PIPE)
    output, _ = child.communicate()
    named = msgspec.structs.replace(plan, inputs=(Operation("PREFIX", (("wherry",),)), *plan.inputs))
    assert output.decode() == f"600:{len(encode(named, os.geteuid()))}\n-- a b c\n"
    assert child.returncode == 0
