"""Containers that stay: in the background, stopped, started again, entered, listed, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from waiting import until
from wherry_command import Wherry


@pytest.fixture
def lab(seeded: Wherry) -> Iterator[Wherry]:
    """The seeded command; every container that the test leaves is removed."""
    yield seeded
    for container in seeded.ok("ps", "-aq", "--no-trunc").split():
        seeded("rm", "-f", container)
    assert seeded.ok("ps", "-aq") == ""


def state(wherry: Wherry, name: str) -> str:
    return wherry.ok("inspect", "--type", "container", "--format", "{{.State.Status}}", name).strip()


def forever(wherry: Wherry, name: str, *options: str) -> str:
    """A container that sleeps, ends quickly when asked, and says when it is ready."""
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    container = wherry.ok("run", "-d", "--name", name, *options, "tiny", "sh", "-c", script).strip()
    until(lambda: "ready" in wherry.ok("logs", name))
    return container


def test_d_prints_the_id_and_runs_in_the_background(lab: Wherry) -> None:
    container = forever(lab, "one")
    assert len(container) == 64
    assert lab.ok("ps", "-q", "--no-trunc").split() == [container]
    assert lab.ok("ps", "--format", "{{.Names}} {{.State}}") == "one running\n"


def test_d_without_a_name_is_kept_too(lab: Wherry) -> None:
    container = lab.ok("run", "-d", "tiny", "sh", "-c", "echo done; exit 3").strip()
    assert lab.ok("wait", container) == "3\n"
    assert lab.ok("logs", container) == "done\n"
    assert state(lab, container[:12]) == "exited"


def test_d_survives_the_shell_that_started_it(lab: Wherry) -> None:
    script = "wherry run -d --name stays tiny sleep 60 >/dev/null; kill -HUP $$"
    subprocess.run(["setsid", "sh", "-c", script], env=lab.environment, timeout=20)
    assert state(lab, "stays") == "running"


def test_logs_split_the_streams_and_follow_to_the_end(lab: Wherry) -> None:
    script = "echo out; echo err >&2; sleep 1; echo late"
    lab.ok("run", "-d", "--name", "talks", "tiny", "sh", "-c", script)
    followed = lab("logs", "-f", "talks", timeout=20)
    assert followed.stdout == "out\nlate\n"
    assert followed.stderr == "err\n"
    assert lab.ok("logs", "--tail", "1", "talks") == "late\n"
    assert lab.ok("logs", "-n", "0", "talks") == ""
    stamped = lab.ok("logs", "-t", "--tail", "1", "talks")
    assert stamped[:2] == "20"
    assert stamped.endswith(" late\n")


def test_output_without_a_newline_at_its_end_is_kept(lab: Wherry) -> None:
    lab.ok("run", "-d", "--name", "cut", "tiny", "printf", "no newline")
    lab.ok("wait", "cut")
    assert lab.ok("logs", "cut") == "no newline"


def test_a_named_container_in_the_foreground_has_a_log_too(lab: Wherry) -> None:
    script = "echo out; echo err >&2; test -t 1 || echo no terminal; cat"
    result = lab("run", "-i", "--name", "front", "tiny", "sh", "-c", script, stdin="in\n")
    assert (result.status, result.stdout, result.stderr) == (0, "out\nno terminal\nin\n", "err\n")
    kept = lab("logs", "front")
    assert (kept.stdout, kept.stderr) == (result.stdout, result.stderr)
    again = lab("start", "-a", "front")
    assert again.stdout == "out\nno terminal\n"
    assert lab.ok("logs", "front") == result.stdout + again.stdout


def test_a_named_container_s_output_is_whole_and_its_status_its_own(lab: Wherry) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' y >&2; exit 7"
    result = lab("run", "--name", "much", "tiny", "sh", "-c", script)
    assert (result.status, result.stdout, result.stderr) == (7, "x" * 3000000, "y" * 1000000)
    kept = lab("logs", "much")
    assert (kept.stdout, kept.stderr) == (result.stdout, result.stderr)


def test_a_reader_that_goes_away_ends_a_named_container_as_any_other(lab: Wherry) -> None:
    process = lab.start("run", "--name", "piped", "tiny", "yes", stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(timeout=20) == 141
    assert lab.ok("inspect", "--format", "{{.State.ExitCode}}", "piped") == "141\n"


def test_signals_reach_a_named_container_whose_output_nobody_reads(lab: Wherry) -> None:
    process = lab.start(
        "run", "--name", "stuck", "tiny", "sh", "-c", "trap 'exit 5' TERM; yes & wait", stdout=subprocess.PIPE
    )
    until(lambda: lab("logs", "--tail", "1", "stuck").stdout == "y\n")
    process.terminate()
    assert process.wait(timeout=20) == 5
    assert process.stdout is not None
    process.stdout.close()


def test_a_taken_name_is_an_error_that_names_its_owner(lab: Wherry) -> None:
    container = forever(lab, "taken")
    result = lab("run", "--name", "taken", "tiny", "true")
    assert result.status == 125
    assert container[:12] in result.stderr
    assert "rm -f taken" in result.stderr
    assert len(lab.ok("ps", "-aq").split()) == 1


def test_of_many_who_want_a_name_one_gets_it(lab: Wherry) -> None:
    started = [
        lab.start("create", "--name", "race", "tiny", "true", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    ended = [(process.communicate(), process.returncode) for process in started]
    assert sorted(status for _, status in ended) == [0, *([125] * 7)]
    assert len(lab.ok("ps", "-aq").split()) == 1


@pytest.mark.parametrize("name", ["-x", "a/b", "../up", "a b", "x", "ä" * 3, "n" * 200])
def test_bad_names_are_refused(lab: Wherry, name: str) -> None:
    result = lab("run", f"--name={name}", "tiny", "true")
    assert result.status == 125
    assert lab.ok("ps", "-aq") == ""


def test_create_start_wait_and_start_again_keep_the_files(lab: Wherry) -> None:
    created = lab.ok("create", "--name", "counts", "tiny", "sh", "-c", "echo x >> /n; wc -l < /n; exit 4").strip()
    assert len(created) == 64
    assert state(lab, "counts") == "created"
    for expected in ("1\n", "2\n", "3\n"):
        result = lab("start", "-a", "counts")
        assert (result.stdout.strip() + "\n", result.status) == (expected, 4)
    assert lab.ok("wait", "counts") == "4\n"
    assert state(lab, "counts") == "exited"


def test_start_in_the_background_says_the_name(lab: Wherry) -> None:
    lab.ok("create", "--name", "quiet", "tiny", "echo", "later")
    assert lab.ok("start", "quiet") == "quiet\n"
    lab.ok("wait", "quiet")
    assert lab.ok("logs", "quiet") == "later\n"


def test_start_of_a_running_one_is_refused(lab: Wherry) -> None:
    forever(lab, "busy")
    result = lab("start", "busy")
    assert result.status != 0
    assert "runs already" in result.stderr


def test_run_with_a_name_is_kept_and_with_rm_it_is_not(lab: Wherry) -> None:
    assert lab.ok("run", "--name", "stays", "tiny", "sh", "-c", "echo kept > /f") == ""
    assert state(lab, "stays") == "exited"
    assert lab.ok("run", "--rm", "--name", "goes", "tiny", "echo", "x") == "x\n"
    until(lambda: "goes" not in lab.ok("ps", "-a", "--format", "{{.Names}}"))
    assert lab("run", "--rm", "--name", "goes", "tiny", "true").status == 0


def test_run_without_a_name_leaves_nothing(lab: Wherry) -> None:
    def left() -> list[str]:  # the empty folder that the next start takes as its scratch aside
        found = [path.relative_to(lab.folder) for path in (lab.folder / "store").rglob("*")]
        return sorted(path.name for path in found if not any(part.startswith("spare.") for part in path.parts))

    before = left()
    lab.ok("run", "tiny", "sh", "-c", "echo x > /big; mkdir -m 000 /locked")
    assert left() == before
    assert not list((lab.folder / "store").rglob("big"))
    assert lab.ok("ps", "-aq") == ""


def test_stop_sends_the_stop_signal_and_waits(lab: Wherry) -> None:
    forever(lab, "polite")
    assert lab.ok("stop", "polite") == "polite\n"
    assert state(lab, "polite") == "exited"
    assert lab.ok("wait", "polite") == "5\n"


def test_stop_kills_what_does_not_listen(lab: Wherry) -> None:
    lab.ok("run", "-d", "--name", "deaf", "tiny", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    until(lambda: "up" in lab.ok("logs", "deaf"))
    began = time.monotonic()
    lab.ok("stop", "-t", "1", "deaf")
    assert 0.9 < time.monotonic() - began < 10
    assert lab.ok("wait", "deaf") == "137\n"


def test_the_stop_signal_can_be_chosen(lab: Wherry) -> None:
    script = "trap 'exit 6' USR1; echo up; while :; do sleep 0.1; done"
    lab.ok("run", "-d", "--name", "own", "--stop-signal", "USR1", "tiny", "sh", "-c", script)
    until(lambda: "up" in lab.ok("logs", "own"))
    lab.ok("stop", "own")
    assert lab.ok("wait", "own") == "6\n"


def test_stop_of_a_stopped_one_is_no_error(lab: Wherry) -> None:
    lab.ok("run", "--name", "over", "tiny", "true")
    assert lab("stop", "over").status == 0


def test_kill_sends_any_signal(lab: Wherry) -> None:
    script = "trap 'echo usr2' USR2; echo up; while :; do sleep 0.1; done"
    lab.ok("run", "-d", "--name", "target", "tiny", "sh", "-c", script)
    until(lambda: "up" in lab.ok("logs", "target"))
    lab.ok("kill", "-s", "USR2", "target")
    until(lambda: "usr2" in lab.ok("logs", "target"))
    assert state(lab, "target") == "running"
    lab.ok("kill", "target")
    assert lab.ok("wait", "target") == "137\n"


def test_wait_returns_when_it_ends_without_asking_again_and_again(lab: Wherry) -> None:
    forever(lab, "long")
    waiting = subprocess.Popen(
        ["strace", "-c", "-o", "/dev/stdout", "wherry", "wait", "long"],
        env=lab.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1.5)
    lab.ok("stop", "long")
    out, _ = waiting.communicate(timeout=20)
    assert "5" in out.splitlines()
    assert not [line for line in out.splitlines() if line.endswith("clock_nanosleep") and int(line.split()[3]) > 5]


def test_exec_joins_and_has_its_own_status(lab: Wherry) -> None:
    forever(lab, "home", "-e", "OWN=value")
    found = lab("exec", "-e", "MORE=1", "-w", "/tmp", "home", "sh", "-c", "echo $OWN $MORE; pwd; ps -o comm; exit 8")
    assert found.status == 8
    assert found.stdout.startswith("value 1\n/tmp\n")
    assert "sh" in found.stdout.split()
    assert lab("exec", "home", "nosuch").status == 127
    assert lab("exec", "-i", "home", "cat", stdin="in").stdout == "in"
    assert lab("exec", "home", "cat", stdin="in").stdout == ""


def test_exec_is_as_confined_as_the_container(lab: Wherry) -> None:
    forever(lab, "tight")
    status = lab.ok("exec", "tight", "cat", "/proc/self/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (int(found["CapEff"], 16), found["NoNewPrivs"], found["Seccomp"]) == (0, "1", "2")


def test_exec_ends_with_the_container(lab: Wherry) -> None:
    forever(lab, "ends")
    inner = lab.start("exec", "ends", "sleep", "600", stdout=subprocess.PIPE)
    until(lambda: "sleep" in lab.ok("exec", "ends", "ps"))
    lab.ok("kill", "ends")
    inner.communicate(timeout=20)
    assert inner.returncode == 137


def test_exec_into_what_does_not_run_says_how_to_start_it(lab: Wherry) -> None:
    lab.ok("create", "--name", "asleep", "tiny", "true")
    result = lab("exec", "asleep", "true")
    assert result.status == 125
    assert "wherry start asleep" in result.stderr


def test_exec_into_a_container_that_is_not_kept_by_its_id(lab: Wherry) -> None:
    plain = lab.start("run", "tiny", "sleep", "60")
    until(lambda: lab.ok("ps", "-q"))
    container = lab.ok("ps", "-q").strip()
    assert lab.ok("exec", container, "echo", "inside") == "inside\n"
    lab.ok("kill", container)
    assert plain.wait(20) == 137


def test_rename_frees_the_old_name(lab: Wherry) -> None:
    lab.ok("run", "--name", "old", "tiny", "true")
    lab.ok("rename", "old", "new")
    assert lab.ok("ps", "-a", "--format", "{{.Names}}") == "new\n"
    assert lab("inspect", "--type", "container", "old").status != 0
    lab.ok("run", "--name", "old", "tiny", "true")
    assert lab("rename", "old", "new").status == 125


def test_rm_refuses_a_running_one_and_f_stops_it_first(lab: Wherry) -> None:
    forever(lab, "live")
    assert lab("rm", "live").status != 0
    assert lab("rm", "-f", "live").status == 0
    assert lab.ok("ps", "-aq") == ""
    assert lab("rm", "-f", "live").status == 0
    assert lab("rm", "live").status != 0


def test_rm_removes_whatever_the_container_made(lab: Wherry) -> None:
    script = "mkdir -p /d/e; chmod 000 /d/e /d; rm -r /etc; ln -s / /loop"
    lab.ok("run", "--name", "messy", "-u", "root", "tiny", "sh", "-c", script)
    lab.ok("rm", "messy")
    assert not [name for name in os.listdir(lab.folder / "store" / "containers") if len(name) == 64]


def test_names_and_ids_may_be_shortened_and_mistyped(lab: Wherry) -> None:
    container = forever(lab, "telescope")
    assert lab.ok("inspect", "--format", "{{.Id}}", "--type", "container", container[:6]).strip() == container
    assert "'telescope'" in lab("stop", "telescpe").stderr


def test_diff_shows_what_the_container_changed_and_not_our_mount_points(lab: Wherry) -> None:
    script = "echo x > /etc/new; echo y >> /etc/os-release; rm -r /usr; mkdir /out; touch /out/file"
    lab.ok("run", "--name", "edits", "-v", "/etc:/host/etc:ro", "tiny", "sh", "-c", script)
    found = lab.ok("diff", "edits").splitlines()
    assert {"A /etc/new", "C /etc/os-release", "D /usr", "A /out", "A /out/file"} <= set(found)
    assert not [line for line in found if "/host" in line or "/etc/passwd" in line or "/dev" in line]
    lab.ok("run", "--name", "clean", "tiny", "true")
    assert lab.ok("diff", "clean") == ""


def test_every_execution_has_a_start_and_an_end_record(lab: Wherry) -> None:
    forever(lab, "noted")
    lab.ok("exec", "noted", "true")
    container = lab.ok("ps", "-q", "--no-trunc").strip()

    def rows() -> list[dict[str, object]]:
        text = lab.ok("record", "-n", "0", "--no-trunc", "--format", "json")
        return [json.loads(line) for line in text.splitlines()]

    running = next(row for row in rows() if row["ID"] == container)
    assert running["End"] is None
    assert running["Lost"] is False
    lab.ok("stop", "noted")
    ended = next(row for row in rows() if row["ID"] == container)
    assert ended["End"]["exit"] == 5  # type: ignore[index]
    assert ended["End"]["usage"]["wall_ms"] > 0  # type: ignore[index]
    assert any(row["Start"]["verb"] == "exec" for row in rows())  # type: ignore[index]


def test_an_end_that_never_came_is_recognised(lab: Wherry) -> None:
    container = forever(lab, "lost")
    pid = int((lab.folder / "run" / "wherry" / "running" / container).read_text().split()[2])
    os.kill(pid, signal.SIGKILL)
    until(lambda: state(lab, "lost") == "exited")
    assert "Lost" in lab.ok("ps", "-a", "--format", "{{.Status}}")
    assert lab("wait", "lost").status != 0
    assert lab.ok("start", "lost") == "lost\n"
    assert state(lab, "lost") == "running"


def test_images_of_kept_containers_are_not_removed(lab: Wherry) -> None:
    lab.ok("create", "--name", "needs", "tiny", "true")
    digest = lab.ok("images", "-q", "--no-trunc", "tiny").strip()
    assert lab("rmi", digest).status != 0
    lab.ok("prune", "-f")  # other images of the lab may go, whose only use was another test
    assert lab.ok("start", "-a", "needs") == ""
    assert lab.ok("images", "-q", "--no-trunc", "tiny").strip() == digest


def test_inspect_env_of_a_container_says_where_each_variable_comes_from(lab: Wherry) -> None:
    lab.ok("create", "--name", "vars", "-e", "MINE=1", "tiny", "true")
    rows = {
        row["Name"]: row["Source"]
        for row in map(json.loads, lab.ok("inspect", "--env", "--format", "json", "vars").splitlines())
    }
    assert rows["MINE"].startswith("-e")
    assert rows["PATH"] == "the image"
    assert rows["TERM"] == "your environment"


def test_a_cidfile_goes_with_d(lab: Wherry, tmp_path: Path) -> None:
    container = lab.ok("run", "-d", "--cidfile", str(tmp_path / "cid"), "tiny", "true").strip()
    assert (tmp_path / "cid").read_text().strip() == container


def test_another_session_of_the_node_sees_what_runs_and_starts_no_second_one(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "session").mkdir(mode=0o700)
    other = {"XDG_RUNTIME_DIR": str(tmp_path / "session")}
    container = forever(lab, "shared")
    assert lab.ok("ps", "-q", "--no-trunc", env=other).split() == [container]
    assert lab("start", "shared", env=other).status != 0
    assert lab.ok("exec", "shared", "echo", "in", env=other) == "in\n"
    lab.ok("stop", "shared", env=other)
    assert state(lab, "shared") == "exited"


def test_a_session_that_cannot_look_into_another_still_starts_no_second_one(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "session").mkdir(mode=0o700)
    hidden, other = lab.folder / "run", {"XDG_RUNTIME_DIR": str(tmp_path / "session")}
    container = forever(lab, "shared")
    hidden.rename(lab.folder / "hidden")  # as if it were in the other's private /tmp
    try:
        assert state_in(lab, "shared", other) == "elsewhere"
        for verb in ("start", "rm", "exec"):
            result = lab(verb, "shared", *(["true"] if verb == "exec" else []), env=other)
            assert result.status != 0
            assert "another session" in result.stderr
    finally:
        (lab.folder / "hidden").rename(hidden)
    assert lab.ok("ps", "-q", "--no-trunc").split() == [container]


def test_what_runs_while_its_runtime_folder_is_emptied_is_not_called_lost(lab: Wherry) -> None:
    container = forever(lab, "orphan")
    file = lab.folder / "run" / "wherry" / "running" / container
    pid = int(file.read_text().split()[2])
    file.unlink()  # as at the last logout of a login session
    assert state(lab, "orphan") == "elsewhere"
    assert f"kill {pid}" in lab("start", "orphan").stderr
    os.kill(pid, signal.SIGTERM)
    until(lambda: state(lab, "orphan") == "exited")


def state_in(wherry: Wherry, name: str, env: dict[str, str]) -> str:
    return wherry.ok("inspect", "--type", "container", "--format", "{{.State.Status}}", name, env=env).strip()


def test_a_start_that_failed_does_not_hold_its_name(lab: Wherry) -> None:
    mistakes = (["-v", "/typo:/data", "tiny", "true"], ["-u", "nosuch", "tiny", "true"], ["tiny", "pyhton3"])
    for wrong in mistakes:
        assert lab("run", "--name", "lab", *wrong).status in (125, 127)
        assert lab.ok("run", "--name", "lab", "tiny", "echo", "right") == "right\n"
        lab.ok("rm", "lab")


@pytest.mark.parametrize("kept", [(), ("--rm",)])
def test_what_its_caller_lacks_leaves_no_container(lab: Wherry, kept: tuple[str, ...]) -> None:
    """No terminal, no place for the id: told before or after the launcher took over, and the name is free."""
    for wrong in (("-it",), ("--cidfile", "/nonexistent/id")):
        assert lab("run", "--name", "lab", *kept, *wrong, "tiny", "true").status == 125
        assert "Lost" not in lab.ok("ps", "-a")
        assert lab.ok("run", "--name", "lab", *kept, "tiny", "echo", "right") == "right\n"
        lab("rm", "-f", "lab")
    assert lab("create", "--name", "lab", "--cidfile", "/nonexistent/id", "tiny", "true").status == 125
    assert lab.ok("ps", "-a", "--format", "{{.Names}}") == ""


def test_a_container_with_a_terminal_can_be_watched_without_one(lab: Wherry) -> None:
    lab.ok("create", "-it", "--name", "lab", "tiny", "sh", "-c", "test -t 1 && echo terminal")
    refused = lab("start", "-ai", "lab")
    assert refused.status == 125 and "not a TTY" in refused.stderr and "leave out -i" in refused.stderr
    assert lab.ok("start", "-a", "lab") == "terminal\r\n"


def test_a_container_that_failed_after_work_holds_its_name(lab: Wherry) -> None:
    lab("run", "--name", "worked", "tiny", "sh", "-c", "echo result > /result; exit 127")
    assert lab("run", "--name", "worked", "tiny", "true").status == 125
    lab("run", "-d", "--name", "spoke", "tiny", "sh", "-c", "echo result; exit 127")
    lab("wait", "spoke")
    assert lab("run", "--name", "spoke", "tiny", "true").status == 125


def test_a_start_in_the_background_that_failed_has_its_status(lab: Wherry) -> None:
    assert lab("run", "-d", "--name", "typo", "tiny", "pyhton3").status == 127
    until(lambda: state(lab, "typo") == "exited")
    assert lab.ok("wait", "typo") == "127\n"


def test_a_start_that_failed_is_recorded_as_such(lab: Wherry) -> None:
    assert lab("run", "--name", "typo", "tiny", "pyhton3").status == 127
    assert state(lab, "typo") == "exited"
    assert lab.ok("wait", "typo") == "127\n"


def test_starting_again_what_cannot_be_executed_has_its_status(lab: Wherry) -> None:
    lab.ok("create", "--name", "typo", "tiny", "pyhton3")
    result = lab("start", "typo")
    assert result.status == 127
    assert "pyhton3" in result.stderr
    assert lab.ok("wait", "typo") == "127\n"
    lab.ok("create", "--name", "folder", "tiny", "/etc")
    assert lab("start", "folder").status == 126


def test_a_command_can_be_stopped_and_continued(lab: Wherry) -> None:
    """The launcher itself goes on: it reads the output, and knows when the command ends."""
    forever(lab, "one")
    init = int(lab.ok("inspect", "--format", "{{.State.Pid}}", "one"))

    def command() -> str:
        for found in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = found.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == init:
                return fields[0]
        return ""

    lab.ok("kill", "-s", "STOP", "one")
    until(lambda: command() == "T")
    lab.ok("kill", "-s", "CONT", "one")
    until(lambda: command() in ("S", "R"))
    lab.ok("stop", "one")
    assert lab.ok("wait", "one") == "5\n"


def test_a_fault_signal_ends_the_command_and_not_its_launcher(lab: Wherry) -> None:
    lab.ok("run", "-d", "--name", "one", "tiny", "sleep", "60")
    lab.ok("kill", "-s", "SEGV", "one")
    assert lab.ok("wait", "one") == "139\n"


@pytest.fixture
def odd(lab: Wherry, tmp_path: Path) -> str:
    """An image that asks to be stopped by a signal that there is not."""
    layout = tmp_path / "odd"
    config = {"StopSignal": "NONSENSE", "Cmd": ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done"]}
    images.write_layout(layout, [images.Layer().file("odd", b"").tar()], config, base=images.image("tiny"))
    return f"{layout}/"


def test_an_image_with_an_unknown_stop_signal_is_stopped_by_term(lab: Wherry, odd: str) -> None:
    result = lab("run", "-d", "--name", "odd", odd)
    assert (result.status, "stop signal 'NONSENSE'" in result.stderr) == (0, True)
    until(lambda: "up" in lab.ok("logs", "odd"))
    assert "SIGTERM" in lab.ok("stop", "--dry-run", "odd")
    assert lab.ok("stop", "odd") == "odd\n"
    assert lab.ok("wait", "odd") == "5\n"
    lab.ok("start", "odd")
    assert lab.ok("rm", "-f", "odd") == "odd\n"


def test_both_streams_of_a_log_keep_their_order_in_one_pipe(lab: Wherry) -> None:
    script = "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three"
    lab.ok("run", "-d", "--name", "mixed", "tiny", "sh", "-c", script)
    lab.ok("wait", "mixed")
    shown = lab.start("logs", "mixed", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert shown.communicate(timeout=30)[0] == b"one\ntwo\nthree\n"
