"""Whatever is killed, whatever the file holds: no mount, no process and no folder is left, and nothing hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

import images
from packed_files import keepers, leftovers, mounts_of, of_runtime, squashfs_of_tiny
from waiting import until
from wherry_command import Wherry

_WAYS = ("namespace", "host")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    further = images.Layer().file("large", os.urandom(3_000_000)).tar()
    return squashfs_of_tiny(tmp_path_factory.mktemp("packed") / "tiny.sqfs", further)


@pytest.fixture(params=_WAYS)
def wherry(tmp_path: Path, request: pytest.FixtureRequest) -> Wherry:
    return Wherry(tmp_path, {"WHERRY_RUN_MOUNT_GRACE": "1", "WHERRY_RUN_MOUNT": request.param})


def sleeper(wherry: Wherry, image: Path) -> subprocess.Popen[bytes]:
    """A container that says ``here``, then reads a file of the image whenever it gets a line."""
    script = "echo here; while read line; do md5sum /large >/dev/null 2>&1 && echo read || echo failed; done"
    process = wherry.start("run", "-i", str(image), "sh", "-c", script, stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


def ends_or_fails(process: subprocess.Popen[bytes]) -> bool:
    """Whether reading what is not there any more fails at once; the shell itself may be what cannot be read."""
    return b"read" not in process.communicate(b"\n", timeout=20)[0]


def finish(process: subprocess.Popen[bytes]) -> None:
    process.communicate(timeout=20)


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_clean(wherry: Wherry) -> bool:
    return not leftovers(wherry)


def test_a_killed_launcher_lets_the_mount_go(wherry: Wherry, image: Path) -> None:
    process = sleeper(wherry, image)
    process.kill()
    finish(process)
    until(lambda: is_clean(wherry))


def test_the_death_of_the_server_is_an_error_for_who_reads_and_the_next_start_mounts_anew(
    wherry: Wherry, image: Path
) -> None:
    process = sleeper(wherry, image)
    kill(*keepers(wherry)[1])
    until(lambda: not mounts_of(wherry))
    assert ends_or_fails(process)
    assert wherry.ok("run", str(image), "wc", "-c", "/large") == "3000000 /large\n"
    until(lambda: is_clean(wherry))


def test_the_death_of_the_keeper_ends_the_mount_and_the_next_start_mounts_anew(wherry: Wherry, image: Path) -> None:
    process = sleeper(wherry, image)
    kill(*keepers(wherry)[0])
    until(lambda: not of_runtime(wherry))
    assert ends_or_fails(process)
    assert wherry.ok("run", str(image), "wc", "-c", "/large") == "3000000 /large\n"
    until(lambda: is_clean(wherry))


def test_when_all_is_killed_at_once_the_next_command_removes_what_is_left(wherry: Wherry, image: Path) -> None:
    process = sleeper(wherry, image)
    kill(process.pid, *(pid for group in keepers(wherry) for pid in group))
    finish(process)
    until(lambda: not of_runtime(wherry))
    until(lambda: (wherry.ok("ps"), is_clean(wherry))[1])


def test_a_dead_mount_is_no_hindrance(wherry: Wherry, image: Path) -> None:
    wherry.ok("run", str(image), "true")
    kill(*(pid for group in keepers(wherry) for pid in group))
    until(lambda: not of_runtime(wherry))
    assert wherry.ok("run", str(image), "wc", "-c", "/large") == "3000000 /large\n"
    until(lambda: is_clean(wherry))


def test_kills_while_it_is_mounted_leave_nothing(wherry: Wherry, image: Path) -> None:
    for _ in range(8):
        kill_while_starting(wherry, image)
    assert wherry.ok("run", str(image), "echo", "well") == "well\n"
    until(lambda: (wherry.ok("ps"), is_clean(wherry))[1])


def kill_while_starting(wherry: Wherry, image: Path) -> None:
    process = wherry.start("run", str(image), "true", stdout=-1, stderr=-1)
    until(lambda: of_runtime(wherry) or process.poll() is not None)
    for pid in of_runtime(wherry):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)


@pytest.mark.parametrize("damage", ["cut", "inodes", "directories", "empty"])
def test_a_damaged_file_ends_in_an_error_and_leaves_no_mount(
    wherry: Wherry, image: Path, tmp_path: Path, damage: str
) -> None:
    data = bytearray(image.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "empty":
        del data[4:]
    else:
        where = 64 if damage == "inodes" else 72  # the fields of the superblock that say where these begin
        place = int.from_bytes(data[where : where + 8], "little")
        data[place : place + 300] = os.urandom(300)
    broken = tmp_path / "broken.sqfs"
    broken.write_bytes(data)
    done = wherry("run", str(broken), "true", timeout=60)
    assert done.status in (125, 126, 127), str(done)
    assert "Traceback" not in done.stderr and "bug in wherry" not in done.stderr, str(done)
    until(lambda: is_clean(wherry))
