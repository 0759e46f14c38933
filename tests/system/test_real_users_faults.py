"""What can go wrong while a range of ids is mapped: the helper fails, hangs, or our launcher is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry

RUN = ("run", "--userns", "range", "tiny", "true")


def faked(wherry: Wherry, folder: Path, script: str, program: str = "newuidmap") -> dict[str, str]:
    """An environment in which ``newuidmap`` is another program."""
    tool = folder / program
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {**wherry.environment, "PATH": f"{folder}:{wherry.environment['PATH']}"}


def left(wherry: Wherry) -> list[str]:
    folders = (wherry.folder / "store" / "scratch", wherry.folder / "run" / "wherry" / "running")
    return [name for folder in folders if folder.is_dir() for name in os.listdir(folder) if len(name) == 64]


@pytest.mark.parametrize("program", ["newuidmap", "newgidmap"])
def test_a_helper_that_fails_is_told_with_its_own_words(seeded: Wherry, tmp_path: Path, program: str) -> None:
    script = f"echo first >&2; echo '{program}: the cat sits on the table' >&2; exit 1"
    ended = seeded(*RUN, env=faked(seeded, tmp_path, script, program))
    assert ended.status == 125
    assert f"/{program}': the cat sits on the table\n" in ended.stderr
    assert "next: " in ended.stderr
    assert left(seeded) == []


def test_a_helper_that_lies_lets_nothing_run(seeded: Wherry, tmp_path: Path) -> None:
    ended = seeded(*RUN, env=faked(seeded, tmp_path, "exit 0"))
    assert ended.status == 125
    assert ended.stdout == ""
    assert left(seeded) == []


def test_a_helper_that_hangs_is_ended(seeded: Wherry, tmp_path: Path) -> None:
    script = f"echo $$ >{tmp_path}/pid; exec sleep 600"
    ended = seeded(*RUN, env=faked(seeded, tmp_path, script))
    assert ended.status == 125
    assert "did not answer within 10 seconds" in ended.stderr
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    assert left(seeded) == []


def test_a_launcher_that_is_killed_meanwhile_leaves_no_process(seeded: Wherry, tmp_path: Path) -> None:
    script = f"echo $$ $1 >{tmp_path}/new && mv {tmp_path}/new {tmp_path}/pids; exec sleep 600"
    process = subprocess.Popen(["wherry", *RUN], env=faked(seeded, tmp_path, script))
    until(lambda: (tmp_path / "pids").exists())
    pids = (tmp_path / "pids").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert len(left(seeded)) == 2
    assert seeded("run", "-e", "A=sweep", "tiny", "true").status == 0
    assert left(seeded) == []


def test_a_detached_start_that_fails_says_so(seeded: Wherry, tmp_path: Path) -> None:
    environment = faked(seeded, tmp_path, "exit 1")
    ended = seeded("run", "-d", "--userns", "range", "--name", "bad", "tiny", "true", env=environment)
    assert ended.status == 125
    assert "newuidmap" in ended.stderr
    seeded("rm", "-f", "bad")
    assert left(seeded) == []


def test_without_helpers_it_says_what_to_install(seeded: Wherry, tmp_path: Path) -> None:
    ended = seeded(*RUN, env={"PATH": str(tmp_path)})
    assert ended.status == 125
    assert "newuidmap and newgidmap are not installed" in ended.stderr
    assert "--userns one" in ended.stderr
