"""What a container may use as a whole: control groups, watching, processors, and what it ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launcher_plans import Box, Operation, launcher
from waiting import until

DETACH = 4
MIB = 1 << 20
HOG = "(head -c 64000000 /dev/zero; sleep 60) | tail -c 60000000"
"""Holds some 57 MiB, and would for a minute."""


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def ended(folder: Path) -> dict[str, Any]:
    """The end line of the one record there."""
    (file,) = folder.iterdir()
    line: dict[str, Any] = json.loads(file.read_text().splitlines()[-1])
    return line


def plain(box: Box, *host: Operation) -> str:
    """A plan without namespaces."""
    return box.write(
        [
            Operation("ID", ("",)),
            Operation("SCRATCH", ((str(box.scratch),), 0)),
            Operation("STDIO", (1,)),
            Operation("PLAIN"),
            *host,
            Operation("WRAP", (("/usr/bin/env",), ())),
            Operation("ENV_SET", (("PATH=/usr/bin:/bin",),)),
            Operation("NO_NEW_PRIVS"),
            Operation("EXEC", ((), (), 0)),
        ]
    )


def test_more_memory_than_allowed_ends_the_container_and_is_told(box: Box, tmp_path: Path) -> None:
    books = [Operation("RECORD", (str(tmp_path / "records"), "")), Operation("WATCH", (32 * MIB, 0))]
    done = box.run("sh", "-c", f"echo before; {HOG}", host=books)
    assert (done.returncode, done.stdout) == (137, "before\n")
    assert done.stderr.splitlines()[-1].startswith(
        "wherry: the container was ended: memory limit 32 MiB reached (peak "
    )
    end = ended(tmp_path / "records")
    assert (end["exit"], end["signal"]) == (137, 9)
    assert (end["limit"]["kind"], end["limit"]["value"]) == ("memory", 32 * MIB)
    assert 32 * MIB < end["limit"]["peak"] < 80 * MIB
    assert end["usage"]["peak_memory_kb"] == end["limit"]["peak"] // 1024
    assert box.left() == []


def test_less_memory_than_allowed_is_only_noted(box: Box, tmp_path: Path) -> None:
    books = [Operation("RECORD", (str(tmp_path / "records"), "")), Operation("WATCH", (512 * MIB, 0))]
    done = box.run("sh", "-c", "(head -c 64000000 /dev/zero; sleep 0.5) | tail -c 60000000 | wc -c", host=books)
    assert (done.returncode, done.stdout, done.stderr) == (0, "60000000\n", "")
    end = ended(tmp_path / "records")
    assert "limit" not in end
    assert 57 * 1024 < end["usage"]["peak_memory_kb"] < 70 * 1024


def test_shared_memory_counts_once(box: Box) -> None:
    script = "x=$(head -c 30000000 /dev/zero | tr '\\\\0' a); for i in 1 2 3; do (sleep 1.5; : $x) & done; wait"
    done = box.run("sh", "-c", script, host=[Operation("WATCH", (90 * MIB, 0))])
    assert done.returncode == 0, done.stderr


def test_more_processes_than_allowed_end_the_container(box: Box) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait"
    done = box.run("sh", "-c", script, host=[Operation("WATCH", (0, 6))])
    assert done.returncode == 137
    assert done.stderr == "wherry: the container was ended: process limit 6 reached (peak 9)\n"


def test_as_many_processes_as_allowed_are_left_alone(box: Box) -> None:
    script = "for i in 1 2 3 4 5; do sleep 0.7 & done; wait; echo fine"
    assert box.shell(script, host=[Operation("WATCH", (0, 6))]) == "fine\n"


def test_a_container_without_namespaces_is_watched_with_all_that_came_from_it(box: Box) -> None:
    mark = f"6{os.getpid()}"
    hog = f"setsid sh -c '(head -c 64000000 /dev/zero; sleep {mark}) | busybox tail -c 60000000' & sleep {mark}"
    command = [launcher(), "run", "--plan", plain(box, Operation("WATCH", (32 * MIB, 0))), "--", "sh", "-c", hog]
    done = subprocess.run(command, capture_output=True, text=True, env=box.environment(), timeout=60, check=False)
    assert done.returncode == 137
    assert "memory limit 32 MiB reached" in done.stderr
    assert subprocess.run(["pgrep", "-f", f"sleep {mark}"], check=False).returncode == 1


def test_the_last_words_stand_in_a_detached_containers_log(box: Box, tmp_path: Path) -> None:
    books = [
        Operation("EXITFILE", (str(tmp_path / "exit.json"),)),
        Operation("LOG", (str(tmp_path / "log"),)),
        Operation("WATCH", (32 * MIB, 0)),
    ]
    box.run("sh", "-c", f"echo before; {HOG}", stdio=DETACH, host=books)
    until(lambda: (tmp_path / "exit.json").exists())
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[0]["log"] == "before\n"
    assert lines[-1]["stream"] == "stderr"
    assert lines[-1]["log"].startswith("wherry: the container was ended: memory limit 32 MiB reached (peak ")


def test_a_container_keeps_to_so_many_processors(box: Box) -> None:
    allowed = len(os.sched_getaffinity(0))
    for wanted, expected in ((1, 1), (allowed, allowed), (allowed + 5, allowed)):
        mask = box.shell("grep Cpus_allowed: /proc/self/status", host=[Operation("AFFINITY", (wanted, 0))])
        assert int(mask.split()[1].replace(",", ""), 16).bit_count() == expected


def test_processors_can_be_those_of_another_process(box: Box) -> None:
    only = {min(os.sched_getaffinity(0))}
    with subprocess.Popen(["sleep", "60"], preexec_fn=lambda: os.sched_setaffinity(0, only)) as other:
        plan = plain(box, Operation("AFFINITY", (0, other.pid)))
        command = [launcher(), "run", "--plan", plan, "--", "grep", "Cpus_allowed:", "/proc/self/status"]
        mask = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        other.kill()
    assert int(mask.split()[1].replace(",", ""), 16) == 1 << min(only)


class Groups:
    """Plain files that stand for a cgroup2 tree: what the launcher writes is read here, the kernel's part is ours."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.parent = self.root / "handed"
        self.id = "ab" * 32
        self.group = self.parent / f"wherry-{self.id[:12]}"
        self.aside = self.parent / "wherry-launcher"
        own = next(line[3:].strip("/") for line in Path("/proc/self/cgroup").read_text().splitlines() if "0::" in line)
        self.own = self.root / own
        for group in {self.own, self.parent, self.group, self.aside}:
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.procs").touch()
        (self.parent / "cgroup.subtree_control").write_text("cpu io")
        for name in ("memory.max", "memory.oom.group", "pids.max", "cgroup.kill"):
            (self.group / name).touch()

    def operations(self, *optional: str, bits: int = 0) -> list[Operation]:
        files = (f"memory.max={32 * MIB}", "pids.max=8")
        return [Operation("CGROUP", (str(self.root), str(self.parent), bits, files, optional))]

    def run(self, box: Box, script: str, *host: Operation, **changes: object) -> subprocess.CompletedProcess[str]:
        operations = box.operations(host=[*self.operations("memory.oom.group=1", "memory.nosuch=1"), *host], **changes)  # type: ignore[arg-type]
        operations[0] = Operation("ID", (self.id,))
        plan = box.write(operations)
        command = [launcher(), "run", "--plan", plan, "--", "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, env=box.environment(), timeout=60, check=False)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def test_a_control_group_gets_its_limits_and_the_launcher_goes_in_and_back(box: Box, groups: Groups) -> None:
    done = groups.run(box, "exit 3")
    assert (done.returncode, done.stderr) == (3, "")
    assert (groups.group / "memory.max").read_text() == str(32 * MIB)
    assert (groups.group / "pids.max").read_text() == "8"
    assert (groups.group / "memory.oom.group").read_text() == "1"
    assert not (groups.group / "memory.nosuch").exists()
    # The last of '+memory' and '+pids': each write to a real one adds to what is there.
    assert (groups.parent / "cgroup.subtree_control").read_text().startswith("+pids")
    assert (groups.group / "cgroup.procs").read_text() == (groups.own / "cgroup.procs").read_text() == "0"
    assert (groups.aside / "cgroup.procs").read_text() == ""
    assert (groups.group / "cgroup.kill").read_text() == "1"


def test_the_launcher_steps_aside_where_the_group_is_its_own(box: Box, groups: Groups) -> None:
    operations = box.operations(host=groups.operations(bits=1))
    operations[0] = Operation("ID", (groups.id,))
    command = [launcher(), "run", "--plan", box.write(operations), "--", "true"]
    assert subprocess.run(command, env=box.environment(), timeout=60, check=False).returncode == 0
    assert (groups.aside / "cgroup.procs").read_text() == "0"
    assert (groups.own / "cgroup.procs").read_text() == ""


def test_what_the_kernel_ended_for_memory_is_told_with_the_peak(box: Box, groups: Groups, tmp_path: Path) -> None:
    (groups.group / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n")
    (groups.group / "memory.peak").write_text(f"{31 * MIB}\n")
    done = groups.run(box, "kill -9 $$", Operation("RECORD", (str(tmp_path / "records"), "")))
    assert done.returncode == 137
    assert done.stderr == "wherry: the container was ended: memory limit 32 MiB reached (peak 31 MiB)\n"
    end = ended(tmp_path / "records")
    assert end["limit"] == {"kind": "memory", "value": 32 * MIB, "peak": 31 * MIB}
    assert end["usage"]["peak_memory_kb"] == 31 * 1024


def test_a_container_that_survived_the_end_of_one_process_says_so(box: Box, groups: Groups) -> None:
    (groups.group / "memory.events").write_text("oom_kill 1\n")
    done = groups.run(box, "exit 0")
    assert done.returncode == 0
    assert done.stderr == "wherry: a process of the container was ended: memory limit 32 MiB reached (peak 32 MiB)\n"


def test_refused_processes_are_told(box: Box, groups: Groups) -> None:
    (groups.group / "pids.events").write_text("max 4\n")
    (groups.group / "pids.peak").write_text("8\n")
    done = groups.run(box, "exit 1")
    assert done.returncode == 1
    words = "wherry: the container could not start more processes: process limit 7 reached (peak 7)\n"
    assert done.stderr == words


def test_a_group_that_is_not_ours_is_refused_with_the_reason(box: Box, groups: Groups) -> None:
    (groups.group / "cgroup.procs").chmod(0)
    done = groups.run(box, "true")
    assert done.returncode == 125
    assert f"cannot limit the container by the control group '{groups.group}': it was not handed over" in done.stderr
    assert box.left() == []


def test_what_joins_a_container_becomes_a_member_of_its_group(box: Box, groups: Groups) -> None:
    done = box.run("true", host=[Operation("MEMBER", (str(groups.root), str(groups.group)))])
    assert done.returncode == 0, done.stderr
    assert (groups.group / "cgroup.procs").read_text() == (groups.own / "cgroup.procs").read_text() == "0"
    assert (groups.group / "cgroup.kill").read_text() == ""


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_detached_container_ends_with_the_login_that_started_it(box: Box, tmp_path: Path, stubborn: bool) -> None:
    books = [
        Operation("EXITFILE", (str(tmp_path / "exit.json"),)),
        Operation("LOG", (str(tmp_path / "log"),)),
        Operation("UNTIL", (signal.SIGTERM, 1)),
    ]
    trap = f"trap '{'' if stubborn else 'echo asked; exit 4'}' TERM; "
    command = box.argv(("sh", "-c", f"{trap}echo up; while :; do sleep 0.1; done"), stdio=DETACH, host=books)
    # A login: above it is nobody of ours, since its parent has gone. It stays until its standard input ends.
    login = ["setsid", "--fork", "sh", "-c", 'read go; "$@" >/dev/null; read end', "sh", *command]
    reading, writing = os.pipe()
    subprocess.run(login, stdin=reading, env=box.environment(), check=True)
    os.close(reading)
    os.write(writing, b"go\n")
    until(lambda: (tmp_path / "log").exists() and "up" in (tmp_path / "log").read_text())
    assert not (tmp_path / "exit.json").exists()
    os.close(writing)
    until(lambda: (tmp_path / "exit.json").exists())
    assert json.loads((tmp_path / "exit.json").read_text())["exit"] == (137 if stubborn else 4)
    assert ("asked" in (tmp_path / "log").read_text()) is not stubborn
