"""``kill -9`` at random moments of a start: no process, no mount, no scratch folder, no broken store remains."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import images
from wherry_command import Wherry

KILLS = 50


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """The command in a store that has the tiny image as ``tiny``."""
    wherry = Wherry(tmp_path_factory.mktemp("killed"))
    digest = wherry.ok("load", "-q", "-i", str(images.image("tiny"))).split()[-1]
    wherry.ok("tag", digest, "tiny")
    return wherry


@pytest.fixture
def mark() -> Iterator[str]:
    """A word in the environment of every process that the test starts, by which they are found."""
    yield f"WHERRY_TEST_MARK={os.urandom(8).hex()}"


def marked(word: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                content = Path(f"/proc/{name}/environ").read_bytes() + Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in content:
                found.append(int(name))
    return found


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        pause.wait(0.02)


def scratch_of(wherry: Wherry) -> list[str]:
    folder = wherry.folder / "store" / "scratch"
    names = os.listdir(folder) if folder.exists() else []
    return sorted(name for name in names if not name.startswith("spare."))  # empty, to be used again


def running_of(wherry: Wherry) -> list[str]:
    folder = wherry.folder / "run" / "wherry" / "running"
    return sorted(os.listdir(folder)) if folder.exists() else []


def make_old(wherry: Wherry) -> None:
    """Let a minute pass for what a start had only begun to make: so young, it might be about to be used."""
    past = time.time() - 3600
    for folder in (wherry.folder / "run" / "wherry" / "running", wherry.folder / "store" / "scratch"):
        for path in folder.iterdir() if folder.exists() else ():
            if path.name.startswith(".trial-") or (path.is_file() and path.stat().st_size == 0):
                os.utime(path, (past, past))


def launch(wherry: Wherry, mark: str, *options: str) -> subprocess.Popen[bytes]:
    name, _, value = mark.partition("=")
    script = "trap '' TERM INT HUP; sleep 300 & setsid sleep 300 & while :; do sleep 1; done"
    words = ("run", *options, "-e", f"{name}={value}", "tiny", "sh", "-c", script)
    return wherry.start(*words, env={name: value}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_launchers_leave_nothing(command: Wherry, mark: str) -> None:
    chance = random.Random(20)
    for number in range(KILLS):
        cold = number % 5 == 0  # then it is Python that is killed, mostly
        if cold:
            for plan in (command.folder / "run" / "wherry" / "plans").glob("*"):
                plan.unlink()
        process = launch(command, mark)
        threading.Event().wait(chance.uniform(0, 0.15 if cold else 0.03))
        process.kill()
        process.wait()
    until(lambda: marked(mark) == [])
    assert str(command.folder) not in Path("/proc/self/mounts").read_text()
    assert command.ok("run", "tiny", "echo", "fine") == "fine\n"
    assert command.ok("ps", "-q") == ""
    make_old(command)
    for plan in (command.folder / "run" / "wherry" / "plans").glob("*"):
        plan.unlink()
    assert command.ok("run", "tiny", "echo", "fine") == "fine\n"  # planned anew: this one sweeps
    assert running_of(command) == []
    assert scratch_of(command) == []


def test_a_killed_init_ends_the_launcher_and_is_recorded(command: Wherry, mark: str) -> None:
    process = launch(command, mark)
    until(
        lambda: running_of(command) and (command.folder / "run/wherry/running" / running_of(command)[0]).stat().st_size
    )

    def init() -> int:
        return int((command.folder / "run/wherry/running" / running_of(command)[0]).read_text().split()[0])

    until(init)
    os.kill(init(), signal.SIGKILL)
    assert process.wait(20) in (137, -signal.SIGKILL)
    until(lambda: marked(mark) == [])
    assert scratch_of(command) == []
    assert running_of(command) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_launcher_that_is_told_to_end_passes_it_on(command: Wherry, number: signal.Signals) -> None:
    process = command.start("run", "tiny", "sleep", "300")
    until(lambda: "sleep" in " ".join(command.ok("ps", "--no-trunc", "--format", "{{.Command}}").split()))
    process.send_signal(number)
    assert process.wait(20) in (128 + number, -number)
    assert scratch_of(command) == []


def test_killed_detached_containers_keep_their_files_and_start_again(command: Wherry, mark: str) -> None:
    name, _, value = mark.partition("=")
    script = "echo x >> /count; wc -l < /count; sleep 300"
    command.ok("create", "--name", "phoenix", "-e", f"{name}={value}", "tiny", "sh", "-c", script)
    for round_ in range(1, 4):
        command.ok("start", "phoenix")
        until(lambda: command.ok("logs", "phoenix").split()[-1:] == [str(round_)])  # noqa: B023
        [container] = command.ok("ps", "-q", "--no-trunc").split()
        launcher = int((command.folder / "run/wherry/running" / container).read_text().split()[2])
        os.kill(launcher, signal.SIGKILL)
        until(lambda: marked(mark) == [])
    command.ok("rm", "phoenix")


def test_a_start_in_a_full_disk_says_so_and_leaves_nothing(command: Wherry, tmp_path: Path) -> None:
    result = command("run", "tiny", "true", env={"WHERRY_SCRATCH": "/proc/nowhere"})
    assert result.status == 125
    assert "/proc/nowhere" in result.stderr


def test_many_at_once_all_run_and_all_go(command: Wherry) -> None:
    started = [
        command.start("run", "tiny", "sh", "-c", f"echo {number}; exit {number}", stdout=subprocess.PIPE)
        for number in range(40)
    ]
    for number, process in enumerate(started):
        out, _ = process.communicate(timeout=60)
        assert (out, process.returncode) == (f"{number}\n".encode(), number)
    assert running_of(command) == []
    assert scratch_of(command) == []


def test_ps_at_the_same_time_never_stops_a_start(command: Wherry) -> None:
    stop = threading.Event()

    def look() -> None:
        from wherry.containers import running_containers

        while not stop.is_set():
            list(running_containers(str(command.folder / "run" / "wherry")))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            assert command.ok("run", "tiny", "true") == ""
    finally:
        stop.set()
        for thread in threads:
            thread.join()
