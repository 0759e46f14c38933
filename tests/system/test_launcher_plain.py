"""Plans without namespaces: a program of the host starts the command, and nothing is left when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from launcher_plans import Box, Operation, launcher

WRAP = ("/usr/bin/env", "-u", "NOTHING")
"""Stands for proot: a program that executes the command which follows."""


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def _plan(box: Box, wrap: Sequence[str] = WRAP, variables: Sequence[str] = (), *extra: Operation) -> str:
    return box.write(
        [
            Operation("ID", ("",)),
            Operation("SCRATCH", ((str(box.scratch),), 0)),
            Operation("STDIO", (1,)),
            Operation("PLAIN"),
            Operation("WRAP", (tuple(wrap), tuple(variables))),
            *extra,
            Operation("ENV_SET", (("PATH=/usr/bin:/bin", "HOME=/"),)),
            Operation("CWD", ("/not/of/this/host", 0)),
            Operation("NO_NEW_PRIVS"),
            Operation("EXEC", ((), (), 0)),
        ]
    )


def _start(box: Box, plan: str, *words: str) -> subprocess.Popen[bytes]:
    command = [launcher(), "run", "--plan", plan, "--", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.environment())


def _run(box: Box, plan: str, *words: str) -> tuple[int, str, str]:
    process = _start(box, plan, *words)
    out, words_of_error = process.communicate(timeout=60)
    return process.returncode, out.decode(), words_of_error.decode()


def _processes(mark: str) -> list[int]:
    """Those that have ``mark`` among their arguments."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if mark.encode() in file.read().split(b"\0"):
                found.append(int(name))
    return found


@contextlib.contextmanager
def _none_left(mark: str) -> Iterator[None]:
    yield
    for _ in range(100):
        if not _processes(mark):
            return
        time.sleep(0.05)
    for pid in _processes(mark):
        os.kill(pid, signal.SIGKILL)
    pytest.fail("processes of the container are left")


def test_the_wrapper_gets_the_command_its_variables_and_slots(box: Box) -> None:
    plan = _plan(box, (*WRAP, "sh", "-c", 'echo "$0 $@ $PROOT_X $HOME $PWD"', "<\x01>"), ("PROOT_X=at \x01",))
    status, out, error = _run(box, plan, "one", "two words")
    assert (status, error) == (0, "")
    folder = out.partition(">")[0].removeprefix("<")
    assert folder.startswith(f"{box.scratch}/")
    assert out == f"<{folder}> one two words at {folder} / {os.getcwd()}\n"
    assert box.left() == []


def test_the_status_is_the_commands(box: Box) -> None:
    assert _run(box, _plan(box), "sh", "-c", "exit 7")[0] == 7
    assert _run(box, _plan(box), "sh", "-c", "kill -TERM $$")[0] == 143


def test_a_missing_wrapper_is_told(box: Box) -> None:
    status, _, error = _run(box, _plan(box, ("/nowhere/proot",)), "true")
    assert status == 125
    assert "'/nowhere/proot'" in error


def test_a_plan_with_two_ways_is_refused(box: Box) -> None:
    both = Operation("NAMESPACE", (0, os.getuid(), os.getgid()))
    status, _, error = _run(box, _plan(box, WRAP, (), both), "true")
    assert status == 125
    assert "one of NAMESPACE, JOIN, PLAIN" in error


@pytest.mark.parametrize(
    "script",
    [
        "setsid sleep 1000.25 & exit 0",
        "(setsid sh -c 'sleep 1000.25 & sleep 1000.25' &) ; exit 0",
        "sh -c 'trap \"\" TERM HUP INT; sleep 1000.25 & wait' & exit 0",
        "for i in $(seq 300); do sleep 1000.25 & done; exit 0",
    ],
    ids=["daemon", "daemons of a daemon", "ignores signals", "hundreds"],
)
def test_what_the_command_leaves_ends_with_it(box: Box, script: str) -> None:
    with _none_left("1000.25"):
        assert _run(box, _plan(box), "sh", "-c", script)[0] == 0
        assert _processes("1000.25") == []


def test_a_killed_launcher_leaves_no_process(box: Box) -> None:
    with _none_left("1000.5"), _start(box, _plan(box), "sh", "-c", "setsid sleep 1000.5 & sleep 1000.5") as process:
        while len(_processes("1000.5")) < 2:
            time.sleep(0.02)
        process.kill()


def test_signals_reach_the_command(box: Box) -> None:
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    with _start(box, _plan(box), "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(20) == 5
