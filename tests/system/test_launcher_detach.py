"""Detached starts with their log and exit file, and joining a running container."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from launcher_plans import NAMESPACES, Box, Operation, launcher
from waiting import until

DETACH, TERMINAL = 4, 2


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def detached(box: Box, folder: Path) -> list[Operation]:
    return [
        Operation("RUNNING", (str(folder / "running"), "")),
        Operation("RECORD", (str(folder / "records"), "")),
        Operation("EXITFILE", (str(folder / "exit.json"),)),
        Operation("LOG", (str(folder / "log"),)),
    ]


def test_a_detached_start_prints_its_id_and_goes_on_alone(box: Box, tmp_path: Path) -> None:
    script = "echo one; echo two >&2; printf 'half\\377'; sleep 0.3; printf ' line'; exit 6"
    done = box.run("sh", "-c", script, stdio=DETACH, host=detached(box, tmp_path))
    assert done.returncode == 0, done.stderr
    identity = done.stdout.strip()
    init, _, parent, _ = (tmp_path / "running" / identity).read_text().split()[:4]
    assert os.getsid(int(parent)) == int(parent)
    assert {os.readlink(f"/proc/{parent}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    until(lambda: (tmp_path / "exit.json").exists())
    until(lambda: not Path(f"/proc/{parent}").exists())
    ended = json.loads((tmp_path / "exit.json").read_text())
    assert (ended["exit"], ended["signal"]) == (6, 0)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {(line["stream"], line["log"]) for line in lines} == {
        ("stdout", "one\n"),
        ("stderr", "two\n"),
        ("stdout", "half� line"),
    }
    assert all(len(line["time"]) == len("2026-11-21T08:34:44.123456789Z") for line in lines)
    assert box.left() == [] and not Path(f"/proc/{init}").exists()
    (records,) = (tmp_path / "records").iterdir()
    assert [json.loads(line)["id"] for line in records.read_text().splitlines()] == [identity] * 2


def test_a_detached_command_that_cannot_start_says_so_at_once(box: Box, tmp_path: Path) -> None:
    done = box.run("nosuch", stdio=DETACH, host=detached(box, tmp_path))
    assert (done.returncode, done.stdout) == (127, "")
    assert "cannot find 'nosuch'" in done.stderr
    until(lambda: box.left() == [])


def test_a_detached_terminal_is_logged(box: Box, tmp_path: Path) -> None:
    box.run("sh", "-c", "tty; sleep 0.1; exit 2", stdio=DETACH | TERMINAL, host=detached(box, tmp_path))
    until(lambda: (tmp_path / "exit.json").exists())
    assert json.loads((tmp_path / "log").read_text())["log"] == "/dev/pts/0\r\n"


def test_output_in_bulk_is_logged_whole(box: Box, tmp_path: Path) -> None:
    box.run("sh", "-c", "seq 1 50000; head -c 40000 /dev/zero", stdio=DETACH, host=detached(box, tmp_path))
    until(lambda: (tmp_path / "exit.json").exists())
    text = "".join(json.loads(line)["log"] for line in (tmp_path / "log").read_text().splitlines())
    assert text == "".join(f"{n}\n" for n in range(1, 50001)) + "\0" * 40000


def test_stopping_a_detached_container_through_its_parent(box: Box, tmp_path: Path) -> None:
    done = box.run("sleep", "60", stdio=DETACH, host=detached(box, tmp_path))
    parent = int((tmp_path / "running" / done.stdout.strip()).read_text().split()[2])
    os.kill(parent, signal.SIGTERM)
    until(lambda: (tmp_path / "exit.json").exists())
    ended = json.loads((tmp_path / "exit.json").read_text())
    assert (ended["exit"], ended["signal"]) == (143, 15)


def joining(
    box: Box, running: Path, *words: str, stdio: int = 1, **options: object
) -> subprocess.CompletedProcess[str]:
    operations = [
        Operation("ID", ("",)),
        Operation("STDIO", (stdio,)),
        Operation("JOIN", (str(running), NAMESPACES, "box")),
        Operation("ENV_SET", (("PATH=/bin",),)),
        Operation("CWD", ("/etc", 0)),
        Operation("CAPS", (0,)),
        Operation("NO_NEW_PRIVS"),
        Operation("EXEC", ((), (), 0)),
    ]
    argv = [launcher(), "run", "--plan", box.write(operations), "--", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload,no-any-return]


def test_joining_a_running_container(box: Box, tmp_path: Path) -> None:
    started = box.run("sh", "-c", "echo mine > /tmp/f; sleep 987100", stdio=DETACH, host=detached(box, tmp_path))
    running = tmp_path / "running" / started.stdout.strip()
    until(lambda: joining(box, running, "sh", "-c", "test -s /tmp/f").returncode == 0)
    done = joining(
        box,
        running,
        "sh",
        "-c",
        "cat /tmp/f; pwd; ps -o args | grep -c '[9]87100'; id -u; grep CapEff /proc/self/status; exit 4",
    )
    assert done.returncode == 4, done.stderr
    assert done.stdout.split() == ["mine", "/etc", "2", str(os.getuid()), "CapEff:", "0" * 16]
    assert joining(box, running, "nosuch").returncode == 127
    assert joining(box, running, "sh", "-c", "kill -TERM $$").returncode == 143
    os.kill(int(running.read_text().split()[2]), signal.SIGTERM)
    until(lambda: not running.exists())


def test_a_joined_command_dies_with_its_launcher_and_the_container_lives(box: Box, tmp_path: Path) -> None:
    started = box.run("sleep", "987200", stdio=DETACH, host=detached(box, tmp_path))
    running = tmp_path / "running" / started.stdout.strip()
    with pytest.raises(subprocess.TimeoutExpired):
        joining(box, running, "sleep", "987201", timeout=0.5)  # which kills the launcher
    until(lambda: "987201" not in joining(box, running, "ps", "-o", "args").stdout)
    assert "987200" in joining(box, running, "ps", "-o", "args").stdout
    os.kill(int(running.read_text().split()[2]), signal.SIGTERM)
    until(lambda: not running.exists())


def test_a_container_that_has_gone_cannot_be_joined(box: Box, tmp_path: Path) -> None:
    done = joining(box, tmp_path / "absent", "true")
    assert done.returncode == 125
    assert "cannot enter the container 'box': it does not run here" in done.stderr
    (tmp_path / "other").write_text(f"{os.getpid():10d} {1:20d} {os.getpid():10d} {1:20d}\n{{}}\n")
    done = joining(box, tmp_path / "other", "true")
    assert "cannot enter the container 'box': it does not run any more" in done.stderr
