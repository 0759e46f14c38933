"""Scratch folders that nobody needs: found whatever the settings were, and never one that a launcher may need."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wherry.base.outside import Outside
from wherry.containers import abandoned
from wherry.containers.abandoned import abandoned_scratch, remove_scratch, scratch_size
from wherry.containers.world import World

OLD, YOUNG, HELD, NOTED = "ab" * 32, "cd" * 32, "ef" * 32, "01" * 32


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose scratch lies elsewhere than in its store, and a clock that is two hours further."""
    (tmp_path / "run").mkdir(mode=0o700)
    environ = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "WHERRY_STORE": str(tmp_path / "store"),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
    }
    made = World(Outside(environ))
    made.__dict__["scratch"] = (str(tmp_path / "scratch"),)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    return made


def folder(parent: Path, name: str) -> Path:
    (parent / name / "upper").mkdir(parents=True)
    (parent / name / "upper" / "file").write_bytes(b"x" * 10000)
    return parent / name


def test_folders_of_nobody_are_found_in_every_place_where_they_may_be(here: World, tmp_path: Path) -> None:
    expected = {
        folder(tmp_path / "scratch", OLD),
        folder(Path(here.store.path) / "scratch", OLD),
        folder(tmp_path / f"wherry-{os.geteuid()}" / "scratch", OLD),
    }
    folder(tmp_path / "scratch", "kept")
    folder(tmp_path / "scratch", "z" * 64)
    found = tuple(path for path in abandoned_scratch(here) if path.startswith(str(tmp_path)))
    assert set(map(Path, found)) == expected
    assert scratch_size(found) >= 30000
    assert remove_scratch(found) == 3
    assert not any(path.exists() for path in expected)


def test_what_is_young_is_left(here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = folder(tmp_path / "scratch", YOUNG)
    assert str(path) not in abandoned_scratch(here)
    monkeypatch.setattr(abandoned, "_booted", lambda: time.time() + 1)
    assert str(path) in abandoned_scratch(here)


def test_what_a_launcher_of_another_session_holds_is_left(here: World, tmp_path: Path) -> None:
    """Also when its RUNNING file was removed, as at a logout."""
    path = folder(tmp_path / "scratch", HELD)
    (tmp_path / "other" / "running").mkdir(parents=True)
    with open(tmp_path / "other" / "running" / HELD, "wb"):
        assert str(path) not in abandoned_scratch(here)
        (tmp_path / "other" / "running" / HELD).unlink()
        assert str(path) not in abandoned_scratch(here)
    assert str(path) in abandoned_scratch(here)


def test_what_has_a_running_file_here_is_for_the_usual_sweep(here: World, tmp_path: Path) -> None:
    path = folder(tmp_path / "scratch", NOTED)
    (Path(here.runtime) / "running").mkdir()
    (Path(here.runtime) / "running" / NOTED).touch()
    assert str(path) not in abandoned_scratch(here)


def test_a_network_file_system_is_not_looked_at(here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "scratch", OLD)
    monkeypatch.setattr("wherry.host.is_remote", lambda kind: True)
    assert abandoned_scratch(here) == ()
