"""Signals by name, times for people, the end of a log, what a name could mean."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wherry.base.errors import NetworkFailed, UsageError
from wherry.containers import output
from wherry.containers.resolving import _with_readings
from wherry.containers.running import Running
from wherry.containers.signalnames import signal_name, signal_number
from wherry.containers.signals import _stop_signal
from wherry.containers.times import ago, now, seconds


@pytest.mark.parametrize(
    ("name", "number"),
    [("TERM", 15), ("SIGTERM", 15), ("sigterm", 15), ("9", 9), ("RTMIN", 34), ("SIGRTMIN+3", 37)],
)
def test_signals_have_names_and_numbers(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    ("given", "shown"),
    [("int", "SIGINT"), ("15", "SIGTERM"), ("rtmin", "SIGRTMIN"), ("37", "SIGRTMIN+3"), ("RTMIN+3", "SIGRTMIN+3")],
)
def test_a_signal_has_one_spelling(given: str, shown: str) -> None:
    assert signal_name(given) == shown
    assert signal_number(shown) == signal_number(given)


@pytest.mark.parametrize("name", ["", "TERMINATE", "TERM+1", "0", "99", "-9", "SIG", "RTMIN+x"])
def test_what_is_no_signal_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        signal_number(name)


def test_times_are_read_back_to_the_millisecond() -> None:
    assert abs(seconds(now()) - time.time()) < 1
    assert seconds("2026-01-01T00:00:00.500Z") == 1767225600.5
    assert seconds("2026-01-01T01:00:00+01:00") == 1767225600
    assert seconds("nonsense") == 0


@pytest.mark.parametrize(
    ("passed", "words"),
    [(0, "Less than a second"), (1, "1 second"), (90, "90 seconds"), (180, "3 minutes"), (7200, "2 hours"),
     (200000, "2 days"), (1300000, "2 weeks"), (6000000, "2 months"), (70000000, "2 years")],
)  # fmt: skip
def test_ago_is_said_as_docker_says_it(passed: int, words: str) -> None:
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - passed))
    assert ago(then) in (
        words,
        {"Less than a second": "1 second", "1 second": "2 seconds"}.get(words, words),
        "91 seconds",
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5, 999, 5000])
def test_the_last_lines_of_a_long_log_are_found_from_its_end(tmp_path: Path, count: int) -> None:
    lines = [f"line {number} {'x' * (number % 300)}\n" for number in range(1000)]
    (tmp_path / "log").write_text("".join(lines))
    descriptor = os.open(tmp_path / "log", os.O_RDONLY)
    offset = output._tail_offset(descriptor, count)
    os.close(descriptor)
    assert (tmp_path / "log").read_text()[offset:] == "".join(lines[len(lines) - min(count, len(lines)) :])


def test_since_is_a_time_or_how_long_ago() -> None:
    assert abs(output._moment("1h30m", "--since") - (time.time() - 5400)) < 2
    assert output._moment("2026-01-01T00:00:00Z", "--since") == 1767225600
    for text in ("yesterday", "10", "m", "-5m"):
        with pytest.raises(UsageError):
            output._moment(text, "--since")


def test_both_readings_of_a_name_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cont.sqsh").touch()
    (tmp_path / "folder").mkdir()
    error = NetworkFailed("cannot pull 'x'", why="no route")
    assert "file 'cont.sqsh' here is not an image" in _with_readings(error, "cont.sqsh").why
    assert "'./folder/'" in _with_readings(error, "folder").why
    assert "there is no file 'x.tar' here" in _with_readings(error, "x.tar").why
    assert _with_readings(error, "debian") is error
    assert _with_readings(error, "quay.io/team/tool:1") is error
    assert type(_with_readings(error, "x.tar")) is NetworkFailed


@pytest.mark.parametrize("details", [b'{"stop_signal":"NONSENSE"}', b"{}", b"", b'{"stop_signal":7}'])
def test_a_container_without_a_stop_signal_that_is_one_gets_term(details: bytes) -> None:
    assert _stop_signal(Running("0" * 64, "", 1, 1, 1, 1, details)) == 15


def test_a_stop_signal_of_its_own_is_used() -> None:
    assert _stop_signal(Running("0" * 64, "", 1, 1, 1, 1, b'{"stop_signal":"SIGQUIT"}')) == 3
