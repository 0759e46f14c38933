"""Squashfs files run where they lie: mounted once for a job, by each way that there is, and nothing is left."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hard_hosts
import images
import runtimes
from packed_files import keepers, leftovers, mounts_of, squashfs_of_tiny
from waiting import until
from wherry_command import Wherry, installed

_OTHERS = (
    images.Layer()
    .directory("home/j", uid=1000, gid=100)
    .file("home/j/file", b"theirs\n", 0o600, uid=1000, gid=100)
    .file("etc/marked", b"one\n")
    .tar()
)


def with_version(path: Path, version: bytes) -> Path:
    return squashfs_of_tiny(path, images.Layer().file("version", version).file("etc/marked", b"one\n").tar())


def aged(path: Path) -> Path:
    """So old that a plan for it is saved: a younger file may change unseen."""
    until(lambda: time.time() - path.stat().st_ctime > 2.1)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which some files are not root's."""
    return aged(squashfs_of_tiny(tmp_path_factory.mktemp("packed") / "tiny.sqfs", _OTHERS, options=()))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which all is root's."""
    return aged(squashfs_of_tiny(tmp_path_factory.mktemp("packed") / "roots.sqfs", _OTHERS))


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    """The command; mounts go a second after their last use."""
    return Wherry(tmp_path, {"WHERRY_RUN_MOUNT_GRACE": "1"})


def by(wherry: Wherry, **variables: str) -> Wherry:
    return Wherry(wherry.folder, {**wherry.variables, **variables})


def is_clean(wherry: Wherry) -> bool:
    return not leftovers(wherry)


@pytest.mark.parametrize("way", ["namespace", "host", "unpack"])
@pytest.mark.parametrize("kind", ["image", "roots"])
def test_a_file_runs_in_each_way_and_all_in_it_is_the_users(
    wherry: Wherry, way: str, kind: str, request: pytest.FixtureRequest
) -> None:
    file = request.getfixturevalue(kind)
    script = "cat /home/j/file && echo more >>/home/j/file && echo >/home/j/new && rm /etc/marked && cat /home/j/file"
    wherry = by(wherry, WHERRY_RUN_MOUNT=way)
    assert wherry.ok("run", str(file), "sh", "-c", script) == "theirs\ntheirs\nmore\n"
    assert len(mounts_of(wherry)) == (0 if way == "unpack" else 1)
    assert bool(list((wherry.folder / "store").glob("layers/*"))) == (way == "unpack")
    assert wherry.ok("run", str(file), "cat", "/home/j/file", "/etc/marked") == "theirs\none\n"
    until(lambda: is_clean(wherry))


@pytest.mark.parametrize("way", ["namespace", "host"])
def test_modes_count_where_nothing_is_written_too(wherry: Wherry, tmp_path: Path, way: str) -> None:
    """FUSE alone would say of each file that it can be executed."""
    many = images.Layer().directory("opt/many").file("opt/many/program", b"#!/bin/sh\n", 0o755)
    for number in range(250):
        many = many.file(f"opt/many/{number}", b"%d\n" % number)
    file = aged(squashfs_of_tiny(tmp_path / "many.sqfs", many.tar()))
    wherry = by(wherry, WHERRY_RUN_MOUNT=way)
    words = ("run", "--read-only", str(file), "sh", "-c")
    look = "test -x /opt/many/program && ! test -x /opt/many/7 && cat /opt/many/7"
    for explain in ({}, {"WHERRY_EXPLAIN": "plan"}):
        assert wherry.ok(*words, look, env=explain) == "7\n"
    assert "ead-only" in wherry(*words, "echo x > /opt/many/7").stderr
    until(lambda: is_clean(wherry))


def test_the_second_start_needs_no_python_and_a_job_of_its_own_has_a_mount_of_its_own(
    wherry: Wherry, roots: Path
) -> None:
    first, second = (by(wherry, SLURM_JOB_ID=number, WHERRY_EXPLAIN="plan") for number in ("7", "8"))
    for job in (first, second):
        job.ok("run", str(roots), "true")
    assert [name.partition("-")[2] for name in mounts_of(wherry)] == ["7", "8"]
    for job in (first, second, first):
        done = job("run", str(roots), "echo", "again")
        assert (done.stdout, done.stderr) == ("again\n", "")


def test_the_launcher_names_a_jobs_mount_as_python_does(wherry: Wherry, roots: Path) -> None:
    odd = by(
        wherry,
        _CONDOR_SCRATCH_DIR="/var/\u00f6/" + "x" * 60,
        SLURM_JOB_ID="",
        XDG_SESSION_ID="c 1",
        WHERRY_EXPLAIN="plan",
    )
    odd.ok("run", str(roots), "true")
    assert [name.partition("-")[2] for name in mounts_of(odd)] == ["-" + "x" * 40 + "-c_1"]
    done = odd("run", str(roots), "echo", "again")
    assert (done.stdout, done.stderr) == ("again\n", "")


def test_a_sif_file_runs_with_its_own_configuration(wherry: Wherry, roots: Path, tmp_path: Path) -> None:
    sif = tmp_path / "file without a suffix"
    wherry.ok("pack", "--format", "sif", str(roots), str(sif))
    assert wherry.ok("run", f"./{sif.name}", "cat", "/etc/marked", cwd=tmp_path) == "one\n"
    assert wherry.ok("run", sif.name, "cat", "/etc/marked", cwd=tmp_path) == "one\n"
    assert len(mounts_of(wherry)) >= 1
    until(lambda: is_clean(wherry))


def test_many_starts_at_once_share_one_mount(wherry: Wherry, roots: Path) -> None:
    running = [wherry.start("run", str(roots), "sh", "-c", "sleep 0.5; echo done", stdout=-1) for _ in range(8)]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert outputs == [b"done\n"] * 8
    assert (len(mounts_of(wherry)), *map(len, keepers(wherry))) == (1, 1, 1)
    until(lambda: is_clean(wherry))


def test_a_mount_stays_as_long_as_a_container_uses_it(wherry: Wherry, roots: Path) -> None:
    with wherry.start("run", "-i", str(roots), "cat", stdin=-1, stdout=-1) as process:
        until(lambda: len(keepers(wherry)[1]) == 1)
        time.sleep(3)  # longer than the mount's grace: nothing outside tells that it does not go
        assert len(keepers(wherry)[1]) == 1
        assert process.communicate(b"still here\n", timeout=20)[0] == b"still here\n"
    until(lambda: is_clean(wherry))


def test_others_have_mounts_of_their_own(wherry: Wherry, roots: Path, tmp_path: Path) -> None:
    other = Wherry(tmp_path / "other", wherry.variables)
    with wherry.start("run", "-i", str(roots), "sh", "-c", "read line; cat /etc/marked", stdin=-1, stdout=-1) as ours:
        until(lambda: keepers(wherry)[1])
        assert other.ok("run", str(roots), "cat", "/etc/marked") == "one\n"
        for pid in (pid for group in keepers(other) for pid in group):
            os.kill(pid, 9)
        until(lambda: not keepers(other)[1])
        assert ours.communicate(b"\n", timeout=20)[0] == b"one\n"
    until(lambda: (other.ok("ps"), is_clean(other) and is_clean(wherry))[1])


def test_nothing_that_stays_holds_the_callers_pipes_or_children(wherry: Wherry, roots: Path) -> None:
    slow = by(wherry, WHERRY_RUN_MOUNT_GRACE="30")
    began = time.monotonic()
    line = f"{installed()} run {roots} echo hello 2>&1 | cat; wait"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=slow.environment, timeout=25)
    assert (done.stdout, time.monotonic() - began < 20) == (b"hello\n", True)
    assert mounts_of(slow)
    ours, _ = keepers(slow)
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for pid in ours for number in (0, 1, 2)} == {"/dev/null"}
    os.kill(ours[0], 15)  # asked to end, it does not wait longer
    until(lambda: is_clean(slow))


def test_another_file_of_the_same_name_is_another_image_and_the_old_one_goes_on(wherry: Wherry, tmp_path: Path) -> None:
    file, link = tmp_path / "image.sqfs", tmp_path / "link.sif"
    with_version(file, b"old\n")
    link.symlink_to(file)
    script = "cat /version; read line; cat /version; ls /bin | head -1"
    with wherry.start("run", "-i", str(link), "sh", "-c", script, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"old\n"
        with_version(tmp_path / "new.sqfs", b"new\n").rename(file)
        assert wherry.ok("run", str(link), "cat", "/version") == "new\n"
        file.unlink()
        gone = wherry("run", str(link), "cat", "/version")
        assert (gone.status, "does not exist" in gone.stderr) == (125, True)
        assert process.communicate(b"\n", timeout=20)[0].startswith(b"old\n")
    until(lambda: is_clean(wherry))


def test_containers_that_stay_know_their_file(wherry: Wherry, tmp_path: Path) -> None:
    file = with_version(tmp_path / "image.sqfs", b"")
    wherry.ok("run", "-d", "--name", "kept", str(file), "sh", "-c", "echo mine >/etc/mine; rm /etc/marked; sleep 100")
    assert wherry.ok("ps", "--format", "{{.Image}}") == f"{file}\n"
    until(lambda: wherry("exec", "kept", "cat", "/etc/mine").stdout == "mine\n")
    assert wherry.ok("diff", "kept").splitlines() == ["C /etc", "D /etc/marked", "A /etc/mine"]
    wherry.ok("stop", "-t", "0", "kept")
    until(lambda: is_clean(wherry))
    assert wherry.ok("cp", "kept:/etc/mine", str(tmp_path / "mine")) == ""
    assert (tmp_path / "mine").read_text() == "mine\n"
    assert wherry.ok("diff", "kept").splitlines() == ["C /etc", "D /etc/marked", "A /etc/mine"]
    assert json.loads(wherry.ok("inspect", "kept"))[0]["Config"]["Image"] == str(file)
    wherry.ok("start", "kept")
    assert wherry.ok("exec", "kept", "cat", "/etc/mine") == "mine\n"
    wherry.ok("stop", "-t", "0", "kept")
    os.utime(file, (1, 1))
    changed = wherry("start", "kept")
    assert (changed.status, "has changed since container 'kept'" in changed.stderr) == (125, True)
    file.unlink()
    missing = wherry("start", "kept")
    assert (missing.status, "is not there" in missing.stderr) == (125, True)
    wherry.ok("rm", "kept")
    until(lambda: is_clean(wherry))


@pytest.mark.parametrize("engine", ["proot", "oci", "site"])
def test_engines_without_namespaces_use_a_mount_of_the_host(wherry: Wherry, image: Path, engine: str) -> None:
    path = runtimes.path_for(wherry.folder / "runtimes", wherry.environment["PATH"], "/usr/bin/crun")
    wherry = by(wherry, PATH=path)
    assert wherry.ok("run", "--engine", engine, str(image), "cat", "/etc/marked") == "one\n"
    assert [name[-1] for name in mounts_of(wherry)] in (["h"], ["h", "n"])
    assert (
        "planning anew" not in by(wherry, WHERRY_EXPLAIN="plan")("run", "--engine", engine, str(image), "true").stderr
    )
    until(lambda: is_clean(wherry))


@pytest.mark.parametrize("user", ["33:33", "root"])
def test_each_user_of_a_range_runs_programs_of_a_mount(wherry: Wherry, roots: Path, user: str) -> None:
    """Pages of a program are read as who runs it, and FUSE knows the ids of its own namespace alone."""
    assert wherry.ok("run", "--userns", "range", "-u", user, str(roots), "cat", "/etc/marked") == "one\n"
    refused = by(wherry, WHERRY_RUN_MOUNT="namespace")("run", "--userns", "range", "-u", user, str(roots), "true")
    assert refused.status == 125
    assert "other users than you could not read it there" in refused.stderr


def test_a_range_of_ids_works_on_a_mount(wherry: Wherry, image: Path) -> None:
    script = "cat /etc/marked && touch /home/j/new && ls -ld /home/j/new"
    done = wherry("run", "--userns", "range", "-u", "root", str(image), "sh", "-c", script)
    assert done.stdout.startswith("one\n-rw"), str(done)


@pytest.mark.parametrize("lack", ["no-fuse", "no-namespaces", "unknown:open_tree"])
def test_where_nothing_can_be_mounted_a_file_is_unpacked(wherry: Wherry, image: Path, lack: str) -> None:
    """Under the filter that takes namespaces away, set-user-id programs as fusermount3 gain nothing either."""
    command = [*hard_hosts.around(lack), str(installed()), "run", str(image), "cat", "/etc/marked"]
    done = subprocess.run(command, capture_output=True, text=True, env=wherry.environment, timeout=120)
    assert (done.returncode, done.stdout) == (0, "one\n"), done.stderr
    assert "was unpacked, since it cannot be mounted here" in done.stderr
    assert is_clean(wherry)


def test_without_squashfuse_a_file_is_unpacked_or_refused_with_what_is_missing(wherry: Wherry, image: Path) -> None:
    bare = by(wherry, PATH=str(Path(sys.executable).parent))
    assert bare.ok("run", str(image), "cat", "/etc/marked") == "one\n"
    refused = by(bare, WHERRY_RUN_MOUNT="namespace")("run", str(image), "true")
    assert (refused.status, "is installed (squashfuse)" in refused.stderr) == (125, True), str(refused)
    assert mounts_of(bare) == []


def test_a_mount_goes_with_the_grace_that_is_set(wherry: Wherry, roots: Path) -> None:
    at_once = by(wherry, WHERRY_RUN_MOUNT_GRACE="0")
    at_once.ok("run", str(roots), "true")
    until(lambda: is_clean(at_once), 5)


def test_attributes_are_there_where_a_file_has_some_and_not_asked_for_where_not(
    wherry: Wherry, roots: Path, tmp_path: Path
) -> None:
    """Without any, the kernel was told so: each file that is opened is a question less."""
    host = by(wherry, WHERRY_RUN_MOUNT="host", WHERRY_RUN_MOUNT_GRACE="30")
    tree = tmp_path / "root"
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    os.setxattr(tree / "bin" / "busybox", "user.kept", b"1")
    marked = tmp_path / "marked.sqfs"
    subprocess.run(["mksquashfs", str(tree), str(marked), "-quiet", "-no-progress"], check=True, capture_output=True)
    host.ok("run", str(marked), "/bin/busybox", "true")
    (folder,) = mounts_of(host)
    place = host.folder / "run" / "wherry" / "mounts"
    assert os.getxattr(place / folder / "tree/bin/busybox", "user.kept") == b"1"
    host.ok("run", str(roots), "true")
    (other,) = set(mounts_of(host)) - {folder}
    with pytest.raises(OSError) as error:
        os.getxattr(place / other / "tree/bin/busybox", "user.kept")
    assert error.value.errno == errno.EOPNOTSUPP
    for pid in keepers(host)[0]:
        os.kill(pid, 15)
    until(lambda: is_clean(host))
