"""Removing with the real command while the real launcher starts and runs."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry_command import Wherry


@pytest.fixture
def mine(wherry: Wherry, tiny: str) -> Iterator[Wherry]:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.ok("rmi", tiny)
    yield wherry
    for container in wherry.ok("ps", "-aq").split():
        wherry("rm", "-f", container)


def another_session(mine: Wherry, folder: Path) -> Wherry:
    """The same user and store, where running containers are noted elsewhere (a job without the login's variables)."""
    folder.mkdir()
    return Wherry(mine.folder, {"XDG_RUNTIME_DIR": str(folder)})


def still_runs(mine: Wherry, container: str) -> bool:
    return mine.ok("exec", container, "echo", "here") == "here\n"


@pytest.mark.parametrize("removal", [("rmi", "tiny"), ("rmi", "-f", "tiny"), ("prune", "-a", "-f")])
def test_what_runs_is_not_removed(mine: Wherry, removal: tuple[str, ...]) -> None:
    container = mine.ok("run", "-d", "tiny", "sleep", "600").strip()
    result = mine(*removal)
    assert (result.status == 0) is (removal[0] == "prune"), str(result)
    assert removal[0] == "prune" or "is in use" in result.stderr
    assert "tiny" in mine.ok("images")
    assert still_runs(mine, container)
    mine.ok("rm", "-f", container)
    mine.ok("rmi", "tiny")
    assert mine("run", "--pull", "never", "tiny", "true").status == 125


def test_what_another_session_runs_is_not_removed(mine: Wherry, tmp_path: Path) -> None:
    job = another_session(mine, tmp_path / "job")
    command = ("sh", "-c", "echo ready; read line; cat /bin/busybox | wc -c")
    with job.start("run", "-i", "tiny", *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        result = mine("rmi", "tiny")
        assert result.status != 0, str(result)
        assert "in another session on this node" in result.stderr
        assert "wherry rmi --force" in result.stderr
        mine.ok("prune", "-a", "-f")
        assert "tiny" in mine.ok("images")
        running.stdin.write(b"go on\n")
        running.stdin.close()
        assert int(running.stdout.read()) > 100_000
    assert running.returncode == 0
    mine.ok("rmi", "--force", "tiny")
    assert "tiny" not in mine.ok("images")


def test_starts_and_removals_at_full_speed_end_well_or_with_a_clear_message(mine: Wherry, tmp_path: Path) -> None:
    archive = str(tmp_path / "tiny.tar")
    mine.ok("save", "-o", archive, "tiny")
    stop, failures, starts = threading.Event(), [], []

    def start() -> None:
        while not stop.is_set():
            result = mine("run", "--pull", "never", "tiny", "sh", "-c", "cat /bin/busybox | wc -c; echo done")
            starts.append(result.status)
            is_absent = result.status == 125 and "wherry: " in result.stderr and "Traceback" not in result.stderr
            if not is_absent and (result.status, result.stdout[-5:]) != (0, "done\n"):
                failures.append(str(result))

    def remove() -> None:
        while not stop.is_set():
            mine("rmi", "tiny")
            loaded = mine("load", "-i", archive)
            if loaded.status != 0 and "Traceback" in loaded.stderr:
                failures.append(str(loaded))

    threads = [threading.Thread(target=job) for job in (start, start, remove)]
    for thread in threads:
        thread.start()
    stop.wait(8)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert starts.count(0) > 0
