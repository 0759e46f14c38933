"""Unpacked images: directories that hold a root file system are used where they lie, and stay as they are."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from wherry_command import Wherry

ENGINES = ("namespace", "proot")


@pytest.fixture
def unpacked(tmp_path: Path, tiny_tree: str) -> Path:
    """The tiny image as a directory of the user's own, without write bits, as CVMFS shows one."""
    place = tmp_path / "tiny:1.0"
    shutil.copytree(tiny_tree, place, symlinks=True)
    return place


@pytest.fixture
def writable(unpacked: Path) -> Path:
    """The same, its owner may write."""
    for folder, _, files in os.walk(unpacked):
        os.chmod(folder, 0o755)
        for name in files:
            if not os.path.islink(f"{folder}/{name}"):
                os.chmod(f"{folder}/{name}", 0o755)
    return unpacked


def listing(folder: Path) -> list[tuple[str, int, int, bytes]]:
    """Everything below: path, mode, time, content."""
    found = []
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((str(path), status.st_mode, status.st_mtime_ns, content))
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_directory_runs_in_place_and_stays_as_it_is(wherry: Wherry, unpacked: Path, engine: str) -> None:
    before = listing(unpacked)
    script = "cat /etc/os-release; echo x > /etc/new; rm -f /etc/os-release; mkdir /data; true"
    (out,) = {wherry.ok("run", "--engine", engine, f"{unpacked}/", "sh", "-c", script) for _ in range(2)}
    assert "ID=" in out
    assert listing(unpacked) == before
    assert not list((wherry.folder / "store").glob("layers/*"))
    assert not list((wherry.folder / "store").glob("flat/*"))


def test_a_directory_that_one_may_write_stays_as_it_is_too(wherry: Wherry, writable: Path) -> None:
    before = listing(writable)
    assert wherry.ok("run", f"{writable}/", "sh", "-c", "echo x > /etc/new; cat /etc/new") == "x\n"
    assert listing(writable) == before
    refused = wherry("run", "--engine", "proot", f"{writable}/", "true")
    assert refused.status == 125
    assert "--writable-copy" in refused.stderr
    copied = ("run", "--engine", "proot", "--writable-copy", f"{writable}/")
    assert wherry.ok(*copied, "sh", "-c", "echo x > /etc/new; cat /etc/new") == "x\n"
    assert listing(writable) == before


def test_under_proot_a_directory_is_changed_in_place_by_who_asks_for_it(wherry: Wherry, writable: Path) -> None:
    ch_run = wherry.named("ch-run", WHERRY_RUN_ENGINE="proot")
    ended = ch_run("-w", str(writable), "--", "sh", "-c", "echo x >/etc/new && rm /etc/os-release && mkdir /data")
    assert ended.status == 0, str(ended)
    assert (writable / "etc/new").read_text() == "x\n" and (writable / "data").is_dir()
    assert not (writable / "etc/os-release").exists()


def test_a_relative_one_needs_a_slash(wherry: Wherry, unpacked: Path) -> None:
    assert wherry.ok("run", f"./{unpacked.name}/", "echo", "runs", cwd=unpacked.parent) == "runs\n"
    shutil.move(unpacked, unpacked.parent / "tiny")
    assert wherry.ok("run", "tiny/", "echo", "runs", cwd=unpacked.parent) == "runs\n"
    bare = wherry("run", "--pull", "never", "tiny", "true", cwd=unpacked.parent)
    assert bare.status == 125
    assert "'./tiny/'" in bare.stderr


def test_its_singularity_files_say_what_it_is(wherry: Wherry, writable: Path) -> None:
    folder = writable / ".singularity.d" / "env"
    folder.mkdir(parents=True)
    lines = ('export PATH="/opt/bin:/bin"', 'export GREETING="${GREETING:-"say \\"hello\\""}"', "unset NONSENSE")
    (folder / "10-docker2singularity.sh").write_text("\n".join(lines) + "\n")
    runscript = writable / ".singularity.d" / "runscript"
    runscript.write_text('#!/bin/sh\necho "$GREETING, $PATH"\n')
    runscript.chmod(0o755)
    assert wherry.ok("run", f"{writable}/") == 'say "hello", /opt/bin:/bin\n'


def test_a_container_of_it_stays_and_starts_again(wherry: Wherry, writable: Path) -> None:
    script = "trap 'date >> /var/starts; exit' TERM; while :; do sleep 0.05; done"
    wherry.ok("run", "-d", "--name", "kept", f"{writable}/", "sh", "-c", script)
    wherry.ok("stop", "kept")
    assert "A /var/starts" in wherry.ok("diff", "kept")
    wherry.ok("start", "kept")
    wherry.ok("stop", "kept")
    wherry.ok("cp", "kept:/var/starts", str(wherry.folder / "starts"))
    assert len((wherry.folder / "starts").read_text().splitlines()) == 2
    shutil.move(writable, writable.parent / "elsewhere")
    gone = wherry("start", "kept")
    assert gone.status == 125
    assert "there is no" in gone.stderr


def test_a_directory_that_is_no_image_is_refused(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    result = wherry("run", f"{tmp_path}/photos/", "true")
    assert result.status == 125
    assert "is not an image" in result.stderr


def test_the_record_claims_no_digest(wherry: Wherry, unpacked: Path) -> None:
    wherry.ok("run", f"{unpacked}/", "true")
    (path,) = (wherry.folder / "state").rglob("*.jsonl")
    start = path.read_text().splitlines()[0]
    assert f'"image":"{unpacked}/"' in start
    assert "image_digest" not in start or '"image_digest":""' in start
