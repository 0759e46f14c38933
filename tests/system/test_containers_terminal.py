"""Terminals: size, Ctrl-C, job control, and that the user's own is left as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from wherry_command import Wherry


class Terminal:
    """A terminal of 33 x 77 with a program at its other end."""

    def __init__(self, wherry: Wherry, *words: str) -> None:
        self.outer, inner = pty.openpty()
        self.resize(33, 77)
        self.process = subprocess.Popen(
            words, stdin=inner, stdout=inner, stderr=inner, env={**wherry.environment, "TERM": "xterm"},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(inner)
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.outer, text.encode())

    def expect(self, pattern: str, seconds: float = 15.0) -> str:
        """Read until the pattern has come; what came with it is consumed."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.outer], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{pattern!r} did not come, but {self.text!r}"
            try:
                self.text += os.read(self.outer, 4096).decode(errors="replace")
            except OSError:
                assert re.search(pattern, self.text), f"{pattern!r} did not come before the end, but {self.text!r}"
        self.text = self.text[found.end() :]
        return found.group()

    def wait(self, seconds: float = 15.0) -> int:
        return self.process.wait(seconds)


@contextmanager
def terminal(wherry: Wherry, *words: str) -> Iterator[Terminal]:
    opened = Terminal(wherry, *words)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()
        os.close(opened.outer)


def test_t_makes_a_terminal_of_the_callers_size(seeded: Wherry) -> None:
    with terminal(seeded, "wherry", "run", "-it", "tiny", "sh", "-c", "stty size; tty") as shown:
        shown.expect("33 77\r\n/dev/pts/0")
        assert shown.wait() == 0


def test_a_new_window_size_arrives(seeded: Wherry) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done"
    with terminal(seeded, "wherry", "run", "-it", "tiny", "sh", "-c", script) as shown:
        shown.expect("ready")
        shown.resize(50, 132)
        os.kill(shown.process.pid, signal.SIGWINCH)
        shown.expect("50 132")
        shown.wait()


def test_without_t_there_is_no_terminal(seeded: Wherry) -> None:
    assert "not a tty" in seeded("run", "tiny", "tty").stdout


def test_ctrl_c_ends_the_command_with_130(seeded: Wherry) -> None:
    for option in ("-it", "-i"):
        with terminal(seeded, "wherry", "run", option, "tiny", "sh", "-c", "echo ready; sleep 600") as shown:
            shown.expect("ready")
            shown.type("\x03")
            assert shown.wait() in (130, -signal.SIGINT)  # a shell shows 130 for both, and ends its loop for the second


def test_ctrl_c_is_the_programs_own_business_in_a_terminal(seeded: Wherry) -> None:
    with terminal(seeded, "wherry", "shell", "tiny") as shown:
        shown.expect("[#$] ")
        shown.type("sleep 600\r")
        shown.expect("sleep 600")
        time_to_start(shown)
        shown.type("\x03")
        shown.expect("[#$] ")
        shown.type("echo still $((40+2))\r")
        shown.expect("still 42")
        shown.type("exit 3\r")
        assert shown.wait() == 3


def test_job_control_works_inside(seeded: Wherry) -> None:
    with terminal(seeded, "wherry", "run", "-it", "tiny", "sh", "-i") as shown:
        shown.expect("[#$] ")
        shown.type("sleep 500\r")
        shown.expect("sleep 500")
        time_to_start(shown)
        shown.type("\x1a")
        shown.expect("Stopped")
        shown.type("bg; jobs; kill %1; wait; echo over\r")
        shown.expect("over\r\n")
        shown.type("exit\r")
        shown.wait()


def test_job_control_of_the_callers_shell_stops_and_continues_the_container(seeded: Wherry) -> None:
    with terminal(seeded, "bash", "--norc", "-i") as shown:
        shown.type("PS1='> '; wherry run tiny sh -c 'echo up; sleep 3; echo woke'\r")
        shown.expect("[\r\n]up")
        shown.type("\x1a")
        shown.expect("Stopped")
        shown.type("fg\r")
        shown.expect("[\r\n]woke", 20)
        shown.type("echo status $?\r")
        shown.expect("status 0")
        shown.type("exit\r")
        shown.wait()


def test_the_callers_terminal_is_left_as_it_was(seeded: Wherry) -> None:
    with terminal(seeded, "bash", "--norc", "-i") as shown:
        shown.type("PS1='> '; stty -a > $HOME/before; wherry run -it tiny sh -c 'stty raw -echo; kill -9 $$'\r")
        shown.expect("\r[^\r]*> $")
        shown.type("stty -a > $HOME/after; cmp $HOME/before $HOME/after && echo sa''me\r")
        shown.expect("[\r\n]same")
        shown.type("exit\r")
        shown.wait()


def test_exec_t_has_a_terminal_too(seeded: Wherry) -> None:
    seeded.ok("run", "-d", "--name", "screen", "tiny", "sleep", "600")
    try:
        with terminal(seeded, "wherry", "exec", "-it", "screen", "sh", "-c", "stty size; tty") as shown:
            shown.expect("33 77\r\n/dev/pts/")
            assert shown.wait() == 0
    finally:
        seeded.ok("rm", "-f", "screen")


def test_shell_without_a_terminal_reads_its_input(seeded: Wherry) -> None:
    assert seeded.ok("shell", "tiny", stdin="echo from $((1+1))\n") == "from 2\n"


def test_dit_keeps_a_shell_in_the_background(seeded: Wherry) -> None:
    seeded.ok("run", "-dit", "--name", "parked", "tiny", "sh")
    try:
        assert seeded.ok("exec", "parked", "echo", "in").strip() == "in"
    finally:
        seeded.ok("rm", "-f", "parked")


def time_to_start(shown: Terminal) -> None:
    """A moment for the shell to give the terminal to its child."""
    select.select([], [], [], 0.4)
