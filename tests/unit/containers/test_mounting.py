"""Names of mounts, what a hold promises, and which program serves a file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from wherry.base.errors import ImageError
from wherry.containers import mounting, unmounting
from wherry.containers.mounting import Hold, Refused, Server, folder_of, mount, mount_key, readable_tree
from wherry.containers.packed import unreadable
from wherry.containers.world import World
from wherry.host import find_squashfuse, gives_files


def test_a_jobs_part_of_the_name_is_safe_and_short() -> None:
    environ = {"SLURM_JOB_ID": "1_2", "_CONDOR_SCRATCH_DIR": "/../" + "a" * 50, "XDG_SESSION_ID": "", "OTHER": "x"}
    assert folder_of("/run/k", environ) == "/run/k-1_2-" + "a" * 40 + "-"
    assert folder_of("/run/k", {"PBS_JOBID": "7.host/ä"}) == "/run/k-7_host___"
    assert folder_of("/run/k", {}) == "/run/k"


def test_another_file_another_place_in_it_and_another_way_have_another_key(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"1")
    first = file.stat()
    file.write_bytes(b"22")
    keys = {
        mount_key(first, 0, helper=False),
        mount_key(first, 4096, helper=False),
        mount_key(first, 0, helper=True),
        mount_key(file.stat(), 0, helper=False),
    }
    assert len(keys) == 4
    assert mount_key(first, 0, helper=False) in keys


def test_nothing_is_readable_where_no_server_lives(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    assert readable_tree(str(tmp_path), helper=True) == ""
    (tmp_path / "server").write_text("1 1\n")
    assert readable_tree(str(tmp_path), helper=False) == ""
    (tmp_path / "server").write_text("not a number")
    assert readable_tree(str(tmp_path), helper=False) == ""


def keeper(tmp_path: Path, body: str) -> str:
    script = tmp_path / "keeper"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def test_what_the_keeper_says_is_the_reason_and_nothing_stays_locked(tmp_path: Path) -> None:
    program = keeper(tmp_path, "echo 'failed: no such device' >&4")
    with pytest.raises(Refused, match="no such device"):
        mount("image", str(tmp_path / "k"), 0, Server(("serve",)), program, {}, grace=1)
    with (tmp_path / "k" / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_keeper_that_dies_without_a_word_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="was killed"):
        mount("image", str(tmp_path / "k"), 0, Server(("serve",)), keeper(tmp_path, "kill -9 $$"), {}, grace=1)


def test_who_waits_for_another_for_too_long_is_told_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounting, "_PATIENCE", 0.1)
    with pytest.raises(mounting.LaunchError, match="is not mounted") as error:
        mount("image", str(tmp_path / "k"), 0, Server(("serve",)), keeper(tmp_path, "printf busy >&4"), {}, grace=1)
    assert str(tmp_path / "k") in error.value.why


@pytest.mark.parametrize("held", ["lock", "keeper"])
def test_what_somebody_holds_is_not_left(tmp_path: Path, held: str) -> None:
    folder = tmp_path / "mounts" / "k"
    folder.mkdir(parents=True)
    for name in ("lock", "keeper", "words"):
        (folder / name).touch()
    os.utime(folder, (1, 1))
    with (folder / held).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert list(unmounting._left(str(tmp_path / "mounts"))) == []
        assert unmounting.remove_mounts((str(folder),)) == 0
    assert list(unmounting._left(str(tmp_path / "mounts"))) == [str(folder)]
    assert unmounting.remove_mounts((str(folder),)) == 1
    assert os.listdir(tmp_path / "mounts") == []


def test_a_young_folder_may_be_about_to_be_used(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    assert list(unmounting._left(str(tmp_path))) == []


def test_programs_say_in_their_help_whether_they_give_files_to_somebody(tmp_path: Path) -> None:
    for text, expected in (("-o uid=N  set owner", True), ("-f  foreground", False)):
        program = tmp_path / "squashfuse_ll"
        program.write_text(f"#!/bin/sh\necho '{text}' >&2; exit 254\n")
        program.chmod(0o755)
        assert gives_files(str(program)) is expected
    assert gives_files("/nonexistent") is False


def test_a_program_that_never_says_anything_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.host.squashfuse._PATIENCE", 0.1)
    program = tmp_path / "squashfuse_ll"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    before = set(os.listdir("/proc/self/fd"))
    assert gives_files(str(program)) is False
    assert set(os.listdir("/proc/self/fd")) == before


def test_apptainers_own_program_shows_files_as_somebodys_where_the_distributions_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("old", "-f  foreground"), ("new", "-o uid=N")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "squashfuse_ll").write_text(f"#!/bin/sh\necho '{text}'\n")
        (tmp_path / name / "squashfuse_ll").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/old:/usr/bin:/bin")
    monkeypatch.setattr("wherry.host.squashfuse._BESIDE_APPTAINER", (f"{tmp_path}/new",))
    found = find_squashfuse()
    assert (found.low, found.giving) == (f"{tmp_path}/old/squashfuse_ll", f"{tmp_path}/new/squashfuse_ll")
    monkeypatch.setattr("wherry.host.squashfuse._BESIDE_APPTAINER", ())
    assert find_squashfuse().giving == ""


def test_programs_are_found_in_the_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("wherry.host.squashfuse._BESIDE_APPTAINER", ())
    assert find_squashfuse().low == ""
    (tmp_path / "squashfuse_ll").write_text("")
    (tmp_path / "squashfuse_ll").chmod(0o755)
    assert find_squashfuse().low == str(tmp_path / "squashfuse_ll")


def test_an_error_of_a_mount_is_told_as_its_files() -> None:
    world = World()
    world.mounts["/proc/7/root/m/tree"] = mounting.Mount("/data/fit.sif", "/m", "/proc/7/root/m/tree", "", Hold(-1))
    told = unreadable(world, OSError(5, "Input/output error", "/proc/7/root/m/tree/etc/passwd"))
    assert isinstance(told, ImageError)
    assert (told.what, told.why) == (
        "the image file '/data/fit.sif' cannot be read",
        "'/etc/passwd' in it: input/output error",
    )
    other = OSError(5, "Input/output error", "/proc/7/root/m/trees/x")
    assert unreadable(world, other) is other
