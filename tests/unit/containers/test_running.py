"""RUNNING files: alive while locked, never disturbed while they are made, swept when nobody holds them."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from wherry.base.outside import Outside
from wherry.containers.running import find_running, is_alive, read_running, running_containers, running_images
from wherry.containers.sweeping import sweep
from wherry.containers.world import World

ID = "ab" * 32
LINE = {"kind": "start", "id": ID, "time": "2026-01-01T00:00:00.000Z", "pid": 1, "cwd": "/", "command": ["true"]}


def started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def content() -> str:
    me = os.getpid()
    numbers = f"{me} {started(me)} {me} {started(me)}"
    return f"{numbers}\n{json.dumps({**LINE, 'image_digest': 'sha256:x'})}\n"


def make(runtime: Path, text: str, *, locked: bool) -> int:
    folder = runtime / "running"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / ID, os.O_RDWR | os.O_CREAT, 0o600)
    if locked:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, text.encode())
    return descriptor


def test_a_locked_one_runs(tmp_path: Path) -> None:
    descriptor = make(tmp_path, content(), locked=True)
    found = find_running(str(tmp_path), ID)
    assert found is not None
    assert (found.init_pid, found.launcher_pid) == (os.getpid(), os.getpid())
    assert found.start.command == ["true"]
    assert running_images(str(tmp_path)) == {"sha256:x": [ID]}
    os.close(descriptor)


def test_an_unlocked_one_does_not(tmp_path: Path) -> None:
    os.close(make(tmp_path, content(), locked=False))
    assert find_running(str(tmp_path), ID) is None
    assert list(running_containers(str(tmp_path))) == []


def test_an_empty_one_is_left_alone_its_launcher_is_about_to_lock_it(tmp_path: Path) -> None:
    descriptor = make(tmp_path, "", locked=False)
    assert read_running(f"{tmp_path}/running/{ID}") is None
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if the reader still held it
    os.close(descriptor)


def test_reading_leaves_no_lock_behind(tmp_path: Path) -> None:
    descriptor = make(tmp_path, content(), locked=False)
    read_running(f"{tmp_path}/running/{ID}")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_nonsense_is_no_container(tmp_path: Path) -> None:
    for text in ("x", "1 2 3\n{}", "a b c d\n{}", "\n"):
        descriptor = make(tmp_path, text, locked=True)
        assert read_running(f"{tmp_path}/running/{ID}") is None
        os.close(descriptor)
        os.unlink(tmp_path / "running" / ID)


def test_a_process_is_known_by_its_start_time(tmp_path: Path) -> None:
    me = os.getpid()
    assert is_alive(me, started(me))
    assert not is_alive(me, started(me) + 1)
    assert not is_alive(2**22 + 5, 1)


def world(folder: Path) -> World:
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    environ = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "WHERRY_STORE": str(folder / "store"),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
    }
    made = World(Outside(environ))
    made.__dict__["scratch"] = (str(folder / "scratch"),)
    return made


def test_what_a_killed_launcher_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    here = world(tmp_path)
    runtime = Path(here.runtime)
    os.close(make(runtime, content(), locked=False))
    (tmp_path / "scratch" / ID / "work" / "work").mkdir(parents=True)
    (tmp_path / "scratch" / ID / "work" / "work").chmod(0)
    (tmp_path / "scratch" / ("cd" * 32)).mkdir()
    assert sweep(here) == 1
    assert os.listdir(tmp_path / "scratch") == ["cd" * 32]
    assert os.listdir(runtime / "running") == []
    assert sweep(here) == 0


def test_a_scratch_folder_under_other_settings_is_swept_where_its_file_says(tmp_path: Path) -> None:
    here = world(tmp_path)
    (tmp_path / "elsewhere" / ID / "upper").mkdir(parents=True)
    line = json.dumps({**LINE, "scratch": [str(tmp_path / "elsewhere")]})
    os.close(make(Path(here.runtime), f"1 1 1 1\n{line}\n", locked=False))
    assert sweep(here) == 1
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_control_group_of_a_killed_launcher_is_removed(tmp_path: Path) -> None:
    here = world(tmp_path)
    (tmp_path / "job" / f"wherry-{ID[:12]}").mkdir(parents=True)
    line = json.dumps({**LINE, "bounds": {"group": str(tmp_path / "job")}})
    os.close(make(Path(here.runtime), f"1 1 1 1\n{line}\n", locked=False))
    assert sweep(here) == 1
    assert os.listdir(tmp_path / "job") == []


def test_writable_layers_lie_on_the_node_where_the_store_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world(tmp_path).kept_parents == (f"{tmp_path}/store/containers",)
    monkeypatch.setattr("wherry.host.is_remote", lambda kind: True)
    assert world(tmp_path).kept_parents == (f"{tmp_path}/scratch/kept",)


def test_what_runs_and_what_begins_is_not_swept(tmp_path: Path) -> None:
    here = world(tmp_path)
    runtime = Path(here.runtime)
    descriptor = make(runtime, content(), locked=True)
    assert sweep(here) == 0
    os.close(descriptor)
    os.unlink(runtime / "running" / ID)
    os.close(make(runtime, "", locked=False))
    assert sweep(here) == 0
    past = time.time() - 3600
    os.utime(runtime / "running" / ID, (past, past))
    assert sweep(here) == 1
