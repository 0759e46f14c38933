"""``--userns range``: other users and groups are really others, and nothing of theirs is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry

UID, GID = os.getuid(), os.getgid()
AS_OTHERS = "mkdir -p /srv/d/e && touch /srv/d/e/f && chmod 700 /srv/d /srv/d/e && chown -R 33:33 /srv/d"
RANGE = ("--userns", "range")


@pytest.fixture
def lab(seeded: Wherry) -> Iterator[Wherry]:
    """The seeded command; what a test leaves is removed, and all of it can be."""
    yield seeded
    for container in seeded.ok("ps", "-aq", "--no-trunc").split():
        seeded("rm", "-f", container)
    assert seeded.ok("ps", "-aq") == ""
    assert scratch(seeded) == []


def scratch(wherry: Wherry) -> list[str]:
    """Folders of containers that were not taken away (spare ones are kept on purpose)."""
    store = wherry.folder / "store"
    found = [*(store / "scratch").glob("*"), *(store / "containers").glob("*")]
    return [path.name for path in found if len(path.name) == 64]


def test_you_are_yourself_and_others_are_there(lab: Wherry) -> None:
    said = lab.ok("run", *RANGE, "tiny", "sh", "-c", "id -u; id -g; cat /proc/self/uid_map").split()
    assert said[:2] == [str(UID), str(GID)]
    mapped = sum(int(count) for count in said[4::3])
    assert mapped >= 60000
    assert [str(UID), "1"] in [[said[at], said[at + 2]] for at in range(2, len(said), 3)]


def test_another_user_is_really_another(lab: Wherry) -> None:
    home = lab.folder / "home"
    (home / "mine").write_text("secret")
    (home / "mine").chmod(0o600)
    script = f"id -u; id -g; grep Groups /proc/self/status; cat {home}/mine; touch ~/own && stat -c %u ~ ~/own"
    ended = lab("run", *RANGE, "-u", "4711:4712", "-v", f"{home}:{home}", "tiny", "sh", "-c", script)
    assert ended.stdout.split() == ["4711", "4712", "Groups:", "4712", "4711", "4711"], ended
    assert "Permission denied" in ended.stderr


def test_root_may_give_files_away_and_nothing_is_left(lab: Wherry) -> None:
    assert lab.ok("run", *RANGE, "-u", "root", "tiny", "sh", "-c", f"{AS_OTHERS}; stat -c %u:%g /srv/d") == "33:33\n"
    assert scratch(lab) == []


def test_files_made_outside_by_another_are_of_the_range(lab: Wherry, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    lab.ok("run", *RANGE, "-u", "33", "-v", f"{tmp_path}:/out", "tiny", "touch", "/out/theirs")
    assert (tmp_path / "theirs").stat().st_uid not in (UID, 0, 33)
    lab.ok("run", *RANGE, "-u", "root", "-v", f"{tmp_path}:/out", "tiny", "rm", "/out/theirs")


def test_a_group_of_the_image_is_added(lab: Wherry) -> None:
    said = lab.ok("run", *RANGE, "--group-add", "4000", "tiny", "sh", "-c", "id -G")
    assert set(said.split()) == {str(GID), "4000"}
    assert "subordinate range" in lab("run", "--group-add", "4000", "tiny", "true").stderr


def test_the_image_is_never_changed(lab: Wherry) -> None:
    lab.ok("run", *RANGE, "-u", "root", "tiny", "chown", "33:33", "/bin/busybox")
    assert lab.ok("run", "tiny", "stat", "-c", "%u", "/bin/busybox") == f"{UID}\n"


def test_exec_enters_as_the_same_and_as_another_user(lab: Wherry) -> None:
    lab.ok("run", *RANGE, "-d", "--name", "one", "-u", "4711:4712", "tiny", "sleep", "60")
    assert lab.ok("exec", "one", "sh", "-c", "id -u; id -g; grep CapEff /proc/self/status").split() == [
        "4711",
        "4712",
        "CapEff:",
        "0000000000000000",
    ]
    assert lab.ok("exec", "-u", "33:44", "one", "sh", "-c", "id -u; id -G").split() == ["33", "44"]
    assert lab.ok("exec", "-u", "root", "one", "sh", "-c", f"{AS_OTHERS}; id -u") == "0\n"
    for number in ("4294967296", "4294967295", "70000"):
        refused = lab("exec", "-u", number, "one", "id", "-u")
        assert (refused.status, refused.stdout) == (125, ""), refused
    assert "give the number" in lab("exec", "-u", "nobody-here", "one", "true").stderr


def test_a_terminal_belongs_to_its_user(lab: Wherry) -> None:
    command = f"wherry run {' '.join(RANGE)} -u 4711 -t -i tiny sh -c 'tty; exec 3<>$(tty) && echo opened'"
    ended = subprocess.run(["script", "-qec", command, "/dev/null"], env=lab.environment, capture_output=True)
    assert b"opened" in ended.stdout


def test_a_kept_container_is_removed_with_all_that_others_own(lab: Wherry) -> None:
    lab("run", *RANGE, "--name", "kept", "-u", "root", "tiny", "sh", "-c", AS_OTHERS)
    assert len(scratch(lab)) == 1
    lab.ok("start", "-a", "kept")
    lab.ok("rm", "kept")
    assert scratch(lab) == []


def test_what_others_own_comes_out_of_a_container_that_does_not_run(lab: Wherry, tmp_path: Path) -> None:
    script = f"{AS_OTHERS}; echo theirs >/srv/file && chmod 600 /srv/file && chown 33:33 /srv/file"
    lab("run", *RANGE, "--name", "kept", "-u", "root", "tiny", "sh", "-c", script)
    assert "A /srv/d/e/f" in lab.ok("diff", "kept")
    lab.ok("cp", "kept:/srv/file", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "theirs\n"
    assert (tmp_path / "out").stat().st_uid == UID
    (tmp_path / "in").write_text("ours")
    lab.ok("cp", str(tmp_path / "in"), "kept:/srv/d/e/f")
    assert "D /bin" not in lab.ok("diff", "kept")
    missing = lab("cp", "kept:/srv/none", str(tmp_path / "out"))
    assert "there is no '/srv/none'" in missing.stderr


def test_what_a_killed_launcher_left_is_swept(lab: Wherry) -> None:
    command = [*RANGE, "-u", "root", "tiny", "sh", "-c", f"{AS_OTHERS}; echo ready; sleep 60"]
    process = subprocess.Popen(["wherry", "run", *command], env=lab.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(scratch(lab)) == 1
    lab.ok("run", "--pull", "never", "-e", "A=sweep", "tiny", "true")  # planned anew, hence swept
    until(lambda: scratch(lab) == [])


def test_a_dry_run_tells_how_many_ids_there_are(lab: Wherry) -> None:
    assert " ids: yours, and those of your subordinate range" in lab.ok("run", "--dry-run", *RANGE, "tiny", "true")


def test_a_saved_plan_is_used_again(lab: Wherry) -> None:
    command = ("run", *RANGE, "-u", "4711", "tiny", "id", "-u")
    assert lab.ok(*command) == "4711\n"
    ended = lab(*command, env={"WHERRY_EXPLAIN": "plan"})
    assert (ended.stdout, ended.stderr) == ("4711\n", "")


def test_it_can_be_the_setting(lab: Wherry) -> None:
    script = "cut -c1-40 /proc/self/uid_map | wc -l"
    assert int(lab.ok("run", "tiny", "sh", "-c", script, env={"WHERRY_RUN_USERNS": "range"})) > 1
    assert int(lab.ok("run", "--userns", "one", "tiny", "sh", "-c", script, env={"WHERRY_RUN_USERNS": "range"})) == 1


@pytest.mark.parametrize("mode", ["host", "keep-id", "ragne"])
def test_another_spelling_is_refused(lab: Wherry, mode: str) -> None:
    ended = lab("run", "--userns", mode, "tiny", "true")
    assert ended.status == 125
    assert "--userns range" in ended.stderr


def test_an_engine_without_namespaces_says_why(lab: Wherry) -> None:
    ended = lab("run", *RANGE, "--engine", "proot", "tiny", "true")
    assert ended.status == 125
    assert "--engine namespace can" in ended.stderr
