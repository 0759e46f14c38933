"""Signals, job control and sudden death: what reaches the command, and that nothing outlives the launcher."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher_plans import Box, Operation

TRAP = 'trap "echo got {0}" {0}; echo up; n=0; while [ $n -lt 400 ]; do sleep 0.02; n=$((n+1)); done'


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


@contextlib.contextmanager
def started(argv: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A start whose command has printed its first line."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        assert process.stdout.readline() == b"up\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "USR1", "USR2", "QUIT"])
def test_a_signal_to_the_launcher_reaches_the_command(box: Box, name: str) -> None:
    script = f'trap "echo got; exit 7" {name}; echo up; while :; do sleep 0.02; done'
    with started(box.argv(["sh", "-c", script])) as process:
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.stdout is not None
        assert process.stdout.read() == b"got\n"
        assert process.wait() == 7


def test_a_signal_to_the_whole_group_reaches_the_command_once(box: Box) -> None:
    """As timeout(1) and batch systems send it."""
    with started(box.argv(["sh", "-c", TRAP.format("INT")]), start_new_session=True) as process:
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.4)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.4)
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == b"got INT\ngot INT\n"


def test_a_command_without_a_handler_dies_of_the_signal(box: Box) -> None:
    with started(box.argv(["sh", "-c", "echo up; exec sleep 50"])) as process:
        process.terminate()
        assert process.wait() == 128 + 15


def test_an_ignored_signal_stays_ignored_as_under_nohup(box: Box) -> None:
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with started(box.argv(["sh", "-c", "echo up; sleep 0.5; exit 3"]), preexec_fn=ignore) as process:
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 3


def test_a_killed_launcher_leaves_no_process(box: Box) -> None:
    script = "setsid sleep 987001 & (sleep 987002 &) ; trap '' TERM HUP INT; echo up; sleep 987003"
    for _ in range(5):
        with started(box.argv(["sh", "-c", script])) as process:
            process.kill()
            process.wait()
            _until(lambda: not _alive("sleep 98700"))


def test_kill_at_any_moment_of_a_start_leaves_no_process(box: Box) -> None:
    argv = box.argv(["sleep", "987004"])
    for step in range(40):
        process = subprocess.Popen(argv)
        time.sleep(step * 0.0002)
        process.kill()
        process.wait()
    _until(lambda: not _alive("sleep 987004") and not _alive(argv[3]))


def test_a_killed_first_process_is_reported(box: Box, tmp_path: Path) -> None:
    running = Operation("RUNNING", (str(tmp_path / "running"), ""))
    with started(box.argv(["sh", "-c", "echo up; sleep 50"], host=[running])) as process:
        (file,) = (tmp_path / "running").iterdir()
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
        assert process.wait() == 137
    assert box.left() == []


def test_ctrl_c_on_the_terminal_ends_command_and_launcher_as_shells_expect(box: Box) -> None:
    with Terminal(box.argv(["sh", "-c", TRAP.format("INT")])) as terminal:
        terminal.expect(b"up")
        terminal.type(b"\x03")
        terminal.expect(b"got INT")
    with Terminal(box.argv(["sh", "-c", "echo up; exec sleep 50"])) as terminal:
        terminal.expect(b"up")
        terminal.type(b"\x03")
        assert os.WTERMSIG(terminal.wait()) == signal.SIGINT


def test_ctrl_z_stops_and_fg_continues_as_any_job(box: Box) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PS1": "prompt> ", "TERM": "dumb"}
    with Terminal(["bash", "--norc", "--noprofile", "-i"], environment) as terminal:
        terminal.expect(b"prompt> ")
        line = " ".join(box.argv(["sh", "-c", "'echo u''p; read x; echo read $x; exit 4'"]))
        terminal.type(line.encode() + b"\n")
        terminal.expect(b"up\r\n")
        terminal.type(b"\x1a")
        terminal.expect(b"Stopped")
        terminal.type(b"fg\n")
        time.sleep(0.2)
        terminal.type(b"word\n")
        terminal.expect(b"read word")
        terminal.type(b"echo status $?\n")
        terminal.expect(b"status 4")


def test_a_terminal_is_made_with_the_callers_size_and_follows_it(box: Box) -> None:
    script = (
        "tty; stty size; trap 'stty size' WINCH; echo up; n=0; while [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done"
    )
    with Terminal(box.argv(["sh", "-c", script], stdio=3)) as terminal:
        terminal.expect(b"/dev/pts/0\r\n24 80\r\nup\r\n")
        terminal.resize(33, 99)
        terminal.expect(b"33 99")


def test_a_terminal_passes_keys_and_status_and_is_restored(box: Box) -> None:
    with Terminal(box.argv(["sh"], stdio=3)) as terminal:
        before = terminal.modes()
        terminal.type(b"echo $((20+3))\n")
        terminal.expect(b"23")
        assert terminal.modes() != before
        terminal.type(b"sleep 50\n")
        time.sleep(0.3)
        terminal.type(b"\x03")
        terminal.type(b"echo status $?; exit 5\n")
        terminal.expect(b"status 130")
        assert os.waitstatus_to_exitcode(terminal.wait()) == 5
        assert terminal.modes() == before


def test_a_lot_of_output_and_input_passes_a_terminal(box: Box) -> None:
    with Terminal(box.argv(["sh", "-c", "seq 1 40000; echo done"], stdio=3)) as terminal:
        terminal.expect(b"40000\r\ndone")
    with Terminal(
        box.argv(["sh", "-c", "stty raw -echo; echo up; head -c 100000 | wc -c; exit 6"], stdio=3)
    ) as terminal:
        terminal.expect(b"up")
        terminal.type(b"x" * 100_000)
        terminal.expect(b"100000")


def test_a_terminal_needs_one_to_read_from(box: Box) -> None:
    done = box.run("true", stdio=3)
    assert done.returncode == 125
    assert "the input device is not a TTY" in done.stderr
    done = box.run("tty", stdio=2)
    assert done.stdout == "/dev/pts/0\r\n"
    assert box.run("tty", stdio=1 | 8).stdout == "not a tty\n"


class Terminal:
    """A command on a terminal of its own, as a person sits before it."""

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None) -> None:
        self.seen = b""
        self.status: int | None = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment or {"PATH": "/usr/bin:/bin", "TERM": "dumb"})

    def __enter__(self) -> Terminal:
        self.resize(24, 80)
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.master, (rows, columns))

    def modes(self) -> list[object]:
        return termios.tcgetattr(self.master)[:4]

    def type(self, keys: bytes) -> None:
        while keys:
            keys = keys[os.write(self.master, keys[:4000]) :]

    def expect(self, words: bytes, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while words not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{words!r} did not come, but {self.seen[-500:]!r}"
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                break
        assert words in self.seen, self.seen[-500:]
        self.seen = self.seen.partition(words)[2]

    def wait(self) -> int:
        end = time.monotonic() + 20
        while self.status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            time.sleep(0.01)
        assert self.status is not None
        return self.status


def _alive(words: str) -> bool:
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            line = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words in line:
                return True
    return False


def _until(holds: object) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true in ten seconds")
