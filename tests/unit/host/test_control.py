"""What can bound a container here, found by doing."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from wherry.base.errors import SettingsError
from wherry.base.outside import Outside
from wherry.host import find_control, find_lifetime
from wherry.host.control import parent_of


def test_a_folder_that_was_handed_over_offers_its_controllers(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    found = find_control(Outside(), os.getuid(), str(tmp_path))
    assert (found.parent, found.controllers, found.problem) == (str(tmp_path), ("cpu", "memory"), "")


@pytest.mark.parametrize("folder", ["relative", "/nonexistent"])
def test_what_is_no_group_is_refused(folder: str) -> None:
    with pytest.raises(SettingsError, match=r"resources\.cgroup"):
        find_control(Outside(), os.getuid(), folder)


def groups(root: Path, *paths: str) -> None:
    """Folders that look like control groups."""
    for path in paths:
        (root / path).mkdir(parents=True)
        (root / path / "cgroup.procs").touch()
        (root / path / "cgroup.subtree_control").touch()


def test_the_nearest_group_above_that_gives_controllers_is_found(tmp_path: Path) -> None:
    groups(tmp_path, "a", "a/job", "a/job/b", "a/job/b/tasks")
    (tmp_path / "a/cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "a/job/cgroup.subtree_control").write_text("memory pids\n")
    assert parent_of(str(tmp_path), "/a/job/b/tasks") == (f"{tmp_path}/a/job", ("memory", "pids"))
    assert parent_of(str(tmp_path), "/a/job") == (f"{tmp_path}/a", ("cpu", "memory", "pids"))
    assert parent_of(str(tmp_path), "/a") == ("", ())
    assert parent_of(str(tmp_path), "/") == parent_of("", "") == ("", ())


def test_a_group_beyond_one_that_is_not_ours_is_out_of_reach(tmp_path: Path) -> None:
    groups(tmp_path, "a", "a/session", "a/session/tasks")
    (tmp_path / "a/cgroup.subtree_control").write_text("memory\n")
    (tmp_path / "a/session/cgroup.procs").chmod(0o444)
    assert parent_of(str(tmp_path), "/a/session/tasks") == ("", ())


def test_a_machine_that_hands_nothing_over_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    found = find_control(Outside(), os.getuid())
    assert bool(found.controllers) is not bool(found.problem)


def test_systemd_run_counts_only_where_the_users_systemd_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemd-run"
    program.touch()
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    outside = Outside({"PATH": str(tmp_path)})
    assert find_control(outside, os.getuid()).systemd_run == ""
    (tmp_path / "systemd").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "systemd" / "private"))
        listening.listen()
        assert find_control(outside, os.getuid()).systemd_run == str(program)


def test_how_processes_are_counted_agrees_with_the_kernels_age() -> None:
    """5.14 began to count those of a user namespace alone."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    assert find_control(Outside(), os.getuid(), processes=True).counts is (release >= (5, 14))


def test_a_job_ends_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert find_lifetime("nobody").until == "job"
