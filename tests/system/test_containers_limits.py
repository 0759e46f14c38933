"""``--memory``, ``--cpus``, ``--pids-limit`` and ``stats`` on this machine, which hands over no control group."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher_plans import Box, launcher
from wherry.launch import LaunchPlan, start
from wherry_command import Wherry

HOG = "(head -c 64000000 /dev/zero; sleep 60) | tail -c 60000000"
"""Holds some 57 MiB, and would for a minute."""


@pytest.fixture
def container(seeded: Wherry) -> Iterator[str]:
    """The name of a container that runs in the background and is removed at the end."""
    name = "limited"
    yield name
    seeded("rm", "-f", name)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def operations(seeded: Wherry, *arguments: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Those of a plan, by kind."""
    plan = json.loads(seeded.ok("run", "--dry-run", "--format", "json", *arguments, "tiny", "true", **more))
    return {item["kind"]: item for item in plan["operations"]}


def test_memory_is_watched_where_no_group_can_be_had_and_the_user_is_told_once(seeded: Wherry) -> None:
    run = ("run", "--memory", "32m", "tiny", "sh", "-c")
    done = seeded(*run, f"echo up; {HOG}")
    assert (done.status, done.stdout) == (137, "up\n")
    warning, last = done.stderr.splitlines()
    assert warning.startswith("wherry: limits are not fully enforced (")
    assert warning.endswith("memory is only looked at, four times a second, and more than 32 MiB end the container")
    assert last.startswith("wherry: the container was ended: memory limit 32 MiB reached (peak ")
    again = seeded(*run, "echo small")
    assert (again.status, again.stdout, again.stderr) == (0, "small\n", "")  # by the saved plan


def test_a_container_of_proot_is_watched_with_all_its_processes(seeded: Wherry) -> None:
    done = seeded("run", "--engine", "proot", "-m", "32m", "--pids-limit", "9", "tiny", "sh", "-c", f"({HOG}) & wait")
    assert done.status == 137
    assert "more than 9 processes are not refused, but end the container" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("wherry: the container was ended: memory limit 32 MiB reached")


def test_the_last_words_come_after_what_a_terminal_showed(seeded: Wherry) -> None:
    ours, theirs = os.openpty()
    process = seeded.start(
        "run", "-it", "-m", "32m", "tiny", "sh", "-c", f"echo up; {HOG}", stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has it open any more
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert process.wait(60) == 137
    lines = shown.decode().replace("\r", "").splitlines()
    assert lines.index("up") < len(lines) - 1
    assert lines[-1].startswith("wherry: the container was ended: memory limit 32 MiB reached")


def test_the_record_has_limit_and_peak(seeded: Wherry) -> None:
    done = seeded("run", "-m", "32M", "--label", "mark=record", "tiny", "sh", "-c", HOG)
    assert done.status == 137
    rows = [json.loads(line) for line in seeded.ok("record", "-n", "0", "--format", "json").splitlines()]
    (row,) = [row for row in rows if row["Start"].get("labels", {}).get("mark") == "record"]
    assert row["Start"]["resources"] == {"memory": 32 << 20}
    assert (row["End"]["limit"]["kind"], row["End"]["limit"]["value"]) == ("memory", 32 << 20)
    assert row["End"]["limit"]["peak"] > 32 << 20
    assert row["Status"] == "exit 137 (memory limit)"


def test_forks_beyond_the_limit_are_refused_by_the_kernel(seeded: Wherry) -> None:
    script = "for i in 1 2 3 4 5 6; do sleep 3 & done; echo all"
    done = seeded("run", "--pids-limit", "4", "tiny", "sh", "-c", script)
    assert "can't fork" in done.stderr and "all" not in done.stdout
    assert "limits are not fully enforced" not in done.stderr
    assert seeded.ok("run", "--pids-limit", "8", "tiny", "sh", "-c", script.replace("sleep 3", "true")) == "all\n"


def test_processors_are_whole_ones(seeded: Wherry) -> None:
    done = seeded("run", "--cpus", "0.5", "tiny", "grep", "Cpus_allowed:", "/proc/self/status")
    assert int(done.stdout.split()[1].replace(",", ""), 16).bit_count() == 1
    assert "it keeps to 1 processor instead of 0.5, which others use too" in done.stderr


def test_more_processors_than_there_are_are_refused(seeded: Wherry) -> None:
    """Said by a setting, which is for machines of many sizes, they are as many as there are."""
    most = len(os.sched_getaffinity(0))
    for verb in ("run", "create"):
        refused = seeded(verb, "--cpus", f"{most + 0.5}", "tiny", "true")
        assert refused.status == 125
        assert f"'--cpus {most}.5' is more processors than there are" in refused.stderr
        assert f"--cpus {most}\n" in refused.stderr
    seeded.ok("run", "--cpus", f"{most}", "tiny", "true")
    found = seeded.ok("run", "tiny", "nproc", env={"WHERRY_RESOURCES_CPUS": f"{most + 1}"})
    assert found == f"{most}\n"


def test_a_start_with_fewer_processors_than_the_one_before_is_refused_too(seeded: Wherry) -> None:
    """Although its plan was saved: a job may have fewer than the one before."""
    own = os.sched_getaffinity(0)
    line = ("run", "--cpus", f"{len(own)}", "tiny", "true")
    seeded.ok(*line)
    try:
        os.sched_setaffinity(0, sorted(own)[:-1])
        refused = seeded(*line)
    finally:
        os.sched_setaffinity(0, own)
    assert refused.status == 125 and "is more processors than there are" in refused.stderr


def test_what_exec_starts_has_the_limits_of_the_container(seeded: Wherry, container: str) -> None:
    seeded.ok("run", "-d", "--name", container, "--cpus", "1", "--pids-limit", "6", "tiny", "sleep", "60")
    mask = seeded.ok("exec", container, "grep", "Cpus_allowed:", "/proc/self/status")
    assert int(mask.split()[1].replace(",", ""), 16).bit_count() == 1
    done = seeded("exec", container, "sh", "-c", "for i in 1 2 3 4 5 6 7; do sleep 1 & done; echo all")
    assert "can't fork" in done.stderr and "all" not in done.stdout


def test_what_exec_takes_counts_for_the_container(seeded: Wherry, container: str) -> None:
    seeded.ok("run", "-d", "--name", container, "-m", "32m", "tiny", "sleep", "60")
    assert seeded("exec", container, "sh", "-c", HOG).status == 137
    assert seeded("wait", container).stdout == "137\n"
    assert "memory limit 32 MiB reached" in seeded("logs", container).stderr


def test_a_container_in_the_background_says_its_last_words_in_its_log(seeded: Wherry, container: str) -> None:
    seeded.ok("run", "-d", "--name", container, "-m", "32m", "tiny", "sh", "-c", f"echo up; {HOG}")
    assert seeded("wait", container).stdout == "137\n"
    logs = seeded("logs", container)
    assert logs.stdout == "up\n"
    assert logs.stderr.startswith("wherry: the container was ended: memory limit 32 MiB reached")
    assert json.loads(seeded.ok("inspect", container))[0]["State"]["OOMKilled"] is True


def test_limits_of_the_settings_hold_where_none_is_said(seeded: Wherry) -> None:
    variables = {"WHERRY_RESOURCES_MEMORY": "64M", "WHERRY_RESOURCES_PIDS": "100", "WHERRY_RESOURCES_CPUS": "1"}
    found = operations(seeded, env=variables)
    assert (found["WATCH"]["bytes"], found["AFFINITY"]["processors"]) == (64 << 20, 1)
    assert (found["RLIMIT"]["resource"], found["RLIMIT"]["soft"]) == (6, 101)
    found = operations(seeded, "-m", "1g", "--cpus", "0", "--pids-limit", "-1", env=variables)
    assert found["WATCH"]["bytes"] == 1 << 30
    assert "AFFINITY" not in found and "RLIMIT" not in found


def test_the_setting_says_what_a_container_in_the_background_ends_with(seeded: Wherry) -> None:
    found = operations(seeded, "-d", "--stop-signal", "INT", env={"WHERRY_RUN_DETACHED": "logout"})
    assert (found["UNTIL"]["signal"], found["UNTIL"]["grace_seconds"]) == (2, 10)
    assert "UNTIL" not in operations(seeded, "-d")
    refused = seeded("run", "-d", "tiny", "true", env={"WHERRY_RUN_DETACHED": "never"})
    assert refused.status == 125 and "never" in refused.stderr


def test_a_group_that_was_handed_over_gets_the_limits(seeded: Wherry, tmp_path: Path) -> None:
    group = tmp_path / "job"
    group.mkdir()
    (group / "cgroup.procs").touch()
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    limits = ("-m", "1g", "--memory-swap", "1g", "--cpus", "1.5", "--pids-limit", "50")
    found = operations(seeded, *limits, env={"WHERRY_RESOURCES_CGROUP": str(group)})
    assert found["CGROUP"]["parent"] == str(group)
    assert found["CGROUP"]["files"] == [f"memory.max={1 << 30}", "cpu.max=150000 100000", "pids.max=51"]
    assert found["CGROUP"]["optional_files"] == ["memory.oom.group=1", "memory.swap.max=0"]
    assert not {"WATCH", "AFFINITY", "RLIMIT"} & set(found)
    refused = seeded("run", "-m", "1g", "tiny", "true", env={"WHERRY_RESOURCES_CGROUP": str(tmp_path)})
    assert refused.status == 125
    assert "it is no control group of yours" in refused.stderr


def test_a_plan_can_be_started_by_a_program_that_puts_the_launcher_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemd-run"
    program.write_text(f'#!/bin/sh\nfor word; do echo "$word" >>{tmp_path}/asked; done\nshift 2\nexec "$@"\n')
    program.chmod(stat.S_IRWXU)
    box = Box(tmp_path / "box")
    monkeypatch.setenv("WHERRY_LAUNCHER", launcher())
    plan = LaunchPlan((), tuple(box.operations()), starter=(str(program), "--user", "--"))
    started = start(plan, ("sh", "-c", "echo inside; exit 4"), stdout=subprocess.PIPE)
    output, _ = started.communicate(timeout=60)
    assert (started.returncode, output) == (4, b"inside\n")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:5] == ["--user", "--", launcher(), "run", "--plan"]
    assert asked[6:] == ["--", "sh", "-c", "echo inside; exit 4"]


def test_stats_show_what_a_container_uses(seeded: Wherry, container: str) -> None:
    seeded.ok("run", "-d", "--name", container, "-m", "1g", "tiny", "sh", "-c", f"while :; do :; done & {HOG}")
    row: dict[str, Any] = {}

    def grown() -> bool:
        row.update(json.loads(seeded.ok("stats", "--no-stream", "--format", "json", container)))
        return bool(row["Memory"] > 56_000_000)

    until(grown)
    assert row["Name"] == container
    assert 10 < float(row["CPUPerc"].rstrip("%")) < 250
    assert row["Memory"] < 80_000_000 and row["MemoryLimit"] == 1 << 30
    assert row["MemUsage"].endswith("MiB / 1GiB")
    assert row["PIDs"] == 5  # the shell, its loop, the pipe's two ends, one sleeping
    table = seeded.ok("stats", "--no-stream").splitlines()
    assert table[0].split("  ")[0] == "CONTAINER ID" and "MEM USAGE / LIMIT" in table[0] and table[0].endswith("PIDS")
    assert any(container in line for line in table[1:])


def test_stats_know_a_container_by_its_new_name(seeded: Wherry) -> None:
    seeded.ok("run", "-d", "--name", "before", "tiny", "sleep", "60")
    try:
        seeded.ok("rename", "before", "after")
        names = seeded.ok("stats", "--no-stream", "--format", "{{.Name}}").splitlines()
        assert "after" in names and "before" not in names
    finally:
        seeded.ok("rm", "-f", "after")


def test_stats_go_on_until_the_container_ends(seeded: Wherry, container: str) -> None:
    seeded.ok("run", "-d", "--name", container, "tiny", "sleep", "2")
    started = time.monotonic()
    lines = seeded.ok("stats", "--format", "{{.Name}}", container).splitlines()
    assert set(lines) == {container} and time.monotonic() - started < 15


def test_stats_of_what_does_not_run_is_refused(seeded: Wherry) -> None:
    assert "there is no container 'nosuch'" in seeded("stats", "--no-stream", "nosuch").stderr
