"""The container verbs as a user types them: what they print, how they end, what they leave."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry


@pytest.fixture
def lab(seeded: Wherry) -> Iterator[str]:
    """A container in the background that prints three lines and stays."""
    seeded("rm", "-f", "lab")
    seeded.ok(
        "run", "-d", "--name", "lab", "tiny", "sh", "-c", "echo one; echo two >&2; sleep 0.5; echo three; sleep 300"
    )
    until(lambda: "three" in seeded.ok("logs", "lab"))
    yield "lab"
    seeded("rm", "-f", "lab")


def on_terminal(wherry: Wherry, *arguments: str, typed: bytes = b"") -> tuple[int, str]:
    """Run on a terminal, type, and give the status and all that the terminal showed."""
    controller, terminal = pty.openpty()
    child = wherry.start(*arguments, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    os.write(controller, typed)
    shown = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(controller)
    return child.wait(), shown.decode()


def test_run_ends_as_the_command_does(seeded: Wherry) -> None:
    for command, status in (
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("no-such-program",), 127),
        (("/etc/passwd",), 126),
    ):
        assert seeded("run", "tiny", *command).status == status


def test_errors_of_wherry_are_told_from_those_of_the_command(seeded: Wherry) -> None:
    result = seeded("run", "--mount", "type=volume,source=v,target=/v", "tiny", "true")
    assert result.status == 125 and result.stderr.startswith("wherry: ")
    assert "\n  next: " in result.stderr


def test_one_pair_of_dashes_after_the_image_is_dropped(seeded: Wherry) -> None:
    for _ in range(2):  # planned, then from the saved plan
        assert seeded.ok("run", "tiny", "--", "echo", "a") == "a\n"
        assert seeded.ok("run", "tiny", "echo", "--", "a") == "-- a\n"


def test_standard_input_passes_only_when_asked(seeded: Wherry) -> None:
    assert seeded.ok("run", "-i", "tiny", "cat", stdin="hello") == "hello"
    assert seeded.ok("run", "tiny", "cat", stdin="hello") == ""


def test_a_pipe_that_closes_ends_the_container(seeded: Wherry) -> None:
    with seeded.start("run", "tiny", "yes", stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"y\n"
        running.stdout.close()
        assert running.wait(timeout=10) in (1, 141)


def test_options_reach_the_container(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "vars").write_text("A=1\nB=two words\n")
    options = ["-v", "./data:/data", "--tmpfs", "/t", "--env-file", "vars", "-e", "C=3", "-w", "/data", "-h", "node"]
    script = 'echo "$A $B $C"; pwd; hostname; touch made; grep -c " /t tmpfs" /proc/mounts'
    told = seeded.ok("run", *options, "tiny", "sh", "-c", script, cwd=tmp_path)
    assert told == "1 two words 3\n/data\nnode\n1\n"
    assert (tmp_path / "data" / "made").exists()


def test_dry_run_shows_the_plan_and_does_nothing(seeded: Wherry, tmp_path: Path) -> None:
    before = seeded.ok("record", "-n", "0", "--format", "{{.ID}}")
    told = seeded.ok("run", "--dry-run", "--name", "planned", "-v", "/usr:/u:ro", "tiny", "touch", "/x")
    assert "touch /x" in told and "/u" in told
    document = json.loads(seeded.ok("run", "--dry-run", "--format", "json", "tiny", "true"))
    assert {operation["kind"] for operation in document["operations"]} >= {"NAMESPACE", "EXEC"}
    assert "planned" not in seeded.ok("ps", "-a")
    assert seeded.ok("record", "-n", "0", "--format", "{{.ID}}") == before
    assert "would pull" in seeded.ok("run", "--dry-run", "127.0.0.1:1/absent:1", "true")


def test_a_directory_names_its_own_image(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "wherry.toml").write_text('[run]\nimage = "tiny"\nenv = ["STUDY=7"]\n')
    for _ in range(2):
        assert seeded.ok("run", "--", "sh", "-c", "echo $STUDY", cwd=tmp_path) == "7\n"
        assert seeded.ok("run", cwd=tmp_path) == ""
    assert seeded.ok("run", "tiny", "sh", "-c", "echo $STUDY", cwd=tmp_path) == "7\n"
    elsewhere = seeded("run", "--", "true")
    assert elsewhere.status == 125 and "no image is named" in elsewhere.stderr


def test_binds_of_the_user_s_settings_are_there_and_flags_win(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    wherry.ok("pull", "-q", tiny)
    for name in ("mine", "site"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (wherry.folder / "config" / "wherry").mkdir()
    text = f'[run]\nbinds = ["{tmp_path}/site:/data", "/nonexistent/x:/x"]\n'
    (wherry.folder / "config" / "wherry" / "wherry.toml").write_text(text)
    assert wherry.ok("run", tiny, "ls", "/data") == "site\n"
    assert wherry.ok("run", "-v", f"{tmp_path}/mine:/data", tiny, "ls", "/data") == "mine\n"


def test_ps_has_dockers_columns(seeded: Wherry, lab: str) -> None:
    heading, row = seeded.ok("ps").splitlines()
    assert heading.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"]
    assert row.split()[1] == "tiny:latest" and row.split()[-1] == "lab" and " Up " in row
    document = json.loads(seeded.ok("ps", "--format", "json"))
    assert document["State"] == "running" and document["Names"] == "lab" and document["Pid"] > 0
    assert seeded.ok("ps", "-q", "--no-trunc").strip().startswith(document["ID"])
    assert seeded.ok("ps", "--filter", "name=other", "-q") == ""
    assert seeded.ok("ps", "--filter", "ancestor=tiny", "--format", "{{.Names}}") == "lab\n"
    assert "KEY=VALUE" in seeded("ps", "--filter", "colour=red").stderr


def test_logs_come_whole_in_part_and_with_times(seeded: Wherry, lab: str) -> None:
    result = seeded("logs", lab)
    assert (result.stdout, result.stderr) == ("one\nthree\n", "two\n")
    assert seeded("logs", "--tail", "1", lab).stdout == "three\n"
    assert seeded.ok("logs", "-t", "--tail", "1", lab).startswith("20")
    assert seeded("logs", "--tail", "few", lab).status == 125


def test_followed_logs_end_with_the_container(seeded: Wherry) -> None:
    seeded.ok("run", "-d", "--name", "short", "tiny", "sh", "-c", "echo a; sleep 1; echo b")
    assert seeded.ok("logs", "-f", "short") == "a\nb\n"
    assert seeded.ok("rm", "short") == "short\n"


def test_exec_enters_and_ends_as_its_command_does(seeded: Wherry, lab: str) -> None:
    assert seeded.ok("exec", "-e", "A=5", "-w", "/tmp", lab, "sh", "-c", "echo $A; pwd") == "5\n/tmp\n"
    assert seeded("exec", lab, "sh", "-c", "exit 3").status == 3
    assert seeded.ok("exec", lab, "--", "echo", "a") == "a\n"
    assert seeded.ok("exec", "-i", lab, "cat", stdin="in") == "in"
    assert seeded("exec", "nothing", "true").status == 125


def test_stop_wait_start_and_rm(seeded: Wherry) -> None:
    trap = 'trap "exit 9" TERM; while :; do sleep 0.1; done'
    seeded.ok("run", "-d", "--name", "trap", "tiny", "sh", "-c", trap)
    time.sleep(0.5)  # until the trap is set nobody outside can tell
    waiting = seeded.start("wait", "trap", stdout=subprocess.PIPE)
    assert seeded.ok("stop", "trap") == "trap\n"
    assert waiting.communicate(timeout=10)[0] == b"9\n"
    assert "Exited (9)" in seeded.ok("ps", "-a", "--format", "{{.Status}}", "--filter", "name=trap")
    assert seeded.ok("start", "trap") == "trap\n"
    refused = seeded("rm", "trap")
    assert refused.status == 125 and "rm -f trap" in refused.stderr
    assert seeded.ok("rm", "-f", "trap") == "trap\n"
    assert seeded("wait", "trap").status == 125


def test_kill_sends_the_signal_that_is_named(seeded: Wherry) -> None:
    seeded.ok("run", "-d", "--name", "mark", "tiny", "sh", "-c", 'trap "exit 4" USR1; while :; do sleep 0.1; done')
    time.sleep(0.5)
    assert seeded.ok("kill", "-s", "usr1", "mark") == "mark\n"
    assert seeded.ok("wait", "mark") == "4\n"
    assert "is not a signal" in seeded("kill", "-s", "HELLO", "mark").stderr
    seeded.ok("rm", "mark")


def test_a_created_container_starts_in_the_foreground_with_its_input(seeded: Wherry) -> None:
    identity = seeded.ok("create", "-i", "--name", "cat", "tiny", "cat").strip()
    assert len(identity) == 64
    assert "Created" in seeded.ok("ps", "-a", "--format", "{{.Status}}", "--filter", "name=cat")
    assert seeded.ok("start", "-ai", "cat", stdin="hello") == "hello"
    seeded.ok("rename", "cat", "dog")
    assert seeded.ok("rm", identity[:12]) == f"{identity[:12]}\n"
    assert "no container 'dog'" in seeded("rm", "dog").stderr


def test_several_names_are_all_tried(seeded: Wherry) -> None:
    seeded.ok("create", "--name", "one", "tiny", "true")
    result = seeded("rm", "absent", "one")
    assert (result.status, result.stdout) == (125, "one\n")
    assert "'absent'" in result.stderr


def test_a_container_with_rm_is_gone_after_its_end(seeded: Wherry) -> None:
    assert seeded.ok("run", "--rm", "--name", "passing", "tiny", "echo", "x") == "x\n"
    assert "passing" not in seeded.ok("ps", "-a")
    seeded.ok("run", "-d", "--rm", "--name", "passing", "tiny", "sleep", "1")
    assert "passing" in seeded.ok("ps")
    until(lambda: "passing" not in seeded.ok("ps", "-a"))
    assert os.listdir(seeded.folder / "store" / "containers" / "passing") == []


def test_a_name_that_is_taken_names_its_owner(seeded: Wherry, lab: str) -> None:
    result = seeded("run", "--name", "lab", "tiny", "true")
    assert result.status == 125
    assert "the name 'lab' is taken" in result.stderr and "wherry rm -f lab" in result.stderr


def test_files_are_copied_out_and_in(seeded: Wherry, lab: str, tmp_path: Path) -> None:
    seeded.ok("exec", lab, "sh", "-c", "echo result > /result")
    seeded.ok("cp", "lab:/result", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "result\n"
    (tmp_path / "in").write_text("input\n")
    seeded.ok("cp", str(tmp_path / "in"), "lab:/input")
    assert seeded.ok("exec", lab, "cat", "/input") == "input\n"
    assert seeded("cp", "a", "b").status == 125
    assert "etc/" in seeded("cp", "lab:/etc", "-").stdout


def test_changes_of_a_container_are_listed(seeded: Wherry) -> None:
    seeded.ok("run", "--name", "changed", "tiny", "sh", "-c", "echo x > /made; rm /bin/wget")
    lines = seeded.ok("diff", "changed").splitlines()
    assert "A /made" in lines and "D /bin/wget" in lines
    seeded.ok("rm", "changed")


def test_inspect_of_a_container_has_dockers_fields(seeded: Wherry, lab: str) -> None:
    document = json.loads(seeded.ok("inspect", lab))[0]
    assert document["State"]["Running"] and document["Name"] == "/lab"
    for option in ("--format", "-f"):
        assert seeded.ok("inspect", option, "{{.State.Status}}", lab) == "running\n"
    assert seeded("inspect", "--type", "image", lab).status == 125


def test_inspect_says_where_each_variable_comes_from(seeded: Wherry) -> None:
    seeded.ok("create", "--name", "env", "-e", "MINE=1", "tiny", "true")
    lines = seeded.ok("inspect", "--env", "env").splitlines()
    assert lines[0].split() == ["NAME", "VALUE", "SOURCE"]
    mine = next(line.split(maxsplit=2) for line in lines if line.startswith("MINE"))
    assert mine == ["MINE", "1", "-e or --env-file"]
    path = next(line for line in seeded.ok("inspect", "--env", "tiny").splitlines() if line.startswith("PATH"))
    assert path.endswith("the image")
    seeded.ok("rm", "env")


def test_each_execution_leaves_a_record(seeded: Wherry) -> None:
    seeded("run", "-l", "study=7", "tiny", "sh", "-c", "exit 5")
    document = json.loads(seeded.ok("record", "-n", "1", "--format", "json"))
    assert document["End"]["exit"] == 5 and document["Start"]["labels"] == {"study": "7"}
    assert document["Start"]["command"] == ["sh", "-c", "exit 5"]
    heading, row = seeded.ok("record", "-n", "1").splitlines()
    assert heading.split()[:2] == ["ID", "STARTED"] and "exit 5" in row
    assert seeded.ok("record", document["ID"][:6], "--format", "{{.Status}}") == "exit 5\n"


def test_a_shell_is_interactive_on_a_terminal(seeded: Wherry) -> None:
    status, shown = on_terminal(seeded, "shell", "tiny", typed=b"tty; exit 3\n")
    assert status == 3
    assert "/dev/pts/0" in shown


def test_ctrl_c_reaches_the_command(seeded: Wherry) -> None:
    running = seeded.start(
        "run", "tiny", "sh", "-c", 'trap "exit 42" INT; echo ready; while :; do sleep 0.1; done', stdout=subprocess.PIPE
    )
    assert running.stdout is not None and running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) == 42
    running.stdout.close()


def test_completion_offers_containers(seeded: Wherry, lab: str) -> None:
    variables = {"_WHERRY_COMPLETE": "bash_complete", "COMP_WORDS": "wherry stop l", "COMP_CWORD": "2"}
    assert seeded.ok(env=variables) == "plain,lab\n"
