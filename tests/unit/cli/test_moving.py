"""Progress: bars on a terminal, a line an item in a log, nothing when quiet; never on standard output."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.base.errors import Interrupted
from wherry.base.progress import Event
from wherry.cli import moving

SOURCE = Path(__file__).resolve().parents[3] / "src"


def test_a_log_gets_one_line_for_each_item_that_moved(capsys: pytest.CaptureFixture[str]) -> None:
    with moving.shown(False) as progress:
        for current in (0, 10, 1_000_000):
            progress(Event("3f1c2a77b0de", "pulling", current, 50_000_000))
        progress(Event("3f1c2a77b0de", "unpacking", 1_000_000, 50_000_000))
        progress(Event("3f1c2a77b0de", "done", 50_000_000, 50_000_000))
        progress(Event("aaaaaaaaaaaa", "exists"))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "3f1c2a77b0de: done 50MB\n"


def test_a_step_that_takes_long_is_written_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with moving.shown(False) as progress:
        for seconds, current in ((0, 1_000), (4, 2_000), (2, 3_000), (29, 4_000), (2, 5_000)):
            now[0] += seconds
            progress(Event("x", "pulling", current, 9_000))
    assert capsys.readouterr().err == "x: pulling 3kB of 9kB\nx: pulling 5kB of 9kB\n"


def test_a_message_is_always_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with moving.shown(False) as progress:
        progress(Event("x", "waiting", message="for node7, process 4123"))
        progress(Event("x", "waiting", message="for node8, process 17"))
    assert "node7" in (said := capsys.readouterr().err) and "node8" in said


def test_the_same_message_is_not_repeated_at_every_heartbeat(capsys: pytest.CaptureFixture[str]) -> None:
    with moving.shown(False) as progress:
        for _ in range(5):
            progress(Event("x", "waiting", message="for node7, process 4123"))
        progress(Event("x", "waiting", message="waiting for node8, process 17"))
    assert capsys.readouterr().err == "x: waiting (for node7, process 4123)\nx: waiting for node8, process 17\n"


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with moving.shown(True) as progress:
        progress(Event("x", "waiting", message="for node7, process 4123"))
        progress(Event("y", "pulling", 1, 2))
        progress(Event("y", "done", 2, 2))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("quiet", [False, True])
def test_who_interrupts_is_told_how_far_it_was(
    end: signal.Signals, status: int, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with pytest.raises(Interrupted) as caught, moving.shown(quiet) as progress:
        progress(Event("was here", "exists", 7_000_000, 7_000_000))
        progress(Event("one", "pulling", 0, 4_000_000))
        progress(Event("one", "done", 4_000_000, 4_000_000))
        progress(Event("two", "resuming", 2_000_000, 10_000_000))
        progress(Event("two", "pulling", 3_000_000, 10_000_000))
        now[0] += 5
        os.kill(os.getpid(), end)
        raise AssertionError("not interrupted")
    assert str(caught.value) == "interrupted while pulling: 7MB of 14MB, 1MB/s in 5 s"
    assert caught.value.hint == "the same command goes on where it stopped"
    assert caught.value.exit_code == status
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_who_ignores_sigterm_goes_on() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with moving.shown(True):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interruption_before_anything_moved_is_one_word() -> None:
    with pytest.raises(Interrupted, match=r"^interrupted$"), moving.shown(False):
        raise KeyboardInterrupt


def test_a_terminal_gets_bars(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from wherry.base.progress import Event\n"
        "from wherry.cli import moving\n"
        "with moving.shown(False) as progress:\n"
        "    progress(Event('3f1c2a77b0de', 'pulling', 5, 10))\n"
        "    progress(Event('3f1c2a77b0de', 'done', 10, 10))\n"
        "    progress(Event('', 'note', message='for [node7]'))\n"
        "    progress(Event('lab:1', 'waiting', message='for node8'))\n"
        "    progress(Event('lab:1', 'done', message='sha256:0000'))\n"
        "    progress(Event('lab:2', 'flattening'))\n"
        "    progress(Event('lab:2', 'done', message='sha256:0000'))\n"
    )
    controller, terminal = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=terminal, env=environ)
    os.close(terminal)
    said = os.read(controller, 65536).decode()
    os.close(controller)
    assert (child.returncode, child.stdout) == (0, b"")
    assert "3f1c2a77b0de" in said and "10/10 bytes" in said and "for [node7]" in said
    assert "for node8" in said and "flattening" in said
    assert "lab:1" not in said and "sha256" not in said and "1/1" not in said
