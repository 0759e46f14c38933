"""What is tried once, what is tried again, and what is read each time."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from wherry.base.outside import Outside
from wherry.base.settings import load
from wherry.host import Machine, enginetrials, survey, trial
from wherry.host import survey as module_of
from wherry.host.facts import Proot

module = __import__("sys").modules[module_of.__module__]


def look(tmp_path: Path, **more: str) -> Machine:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "WHERRY_SITE_SETTINGS": "/nonexistent", **more}
    outside = Outside(environ)
    return survey(outside, load(outside), {"store": str(tmp_path)})


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was tried, though not by doing it: proot is slow."""
    made: list[str] = []

    def try_proot(path: str, folder: str) -> Proot:
        made.append(path)
        return Proot(path, works=True, seccomp=True)

    monkeypatch.setattr(enginetrials, "try_proot", try_proot)
    return made


def test_a_second_look_tries_nothing(tmp_path: Path, tries: list[str]) -> None:
    first = look(tmp_path)
    assert len(tries) == 1
    second = look(tmp_path)
    assert len(tries) == 1
    assert msgspec.structs.replace(second, storage=()) == msgspec.structs.replace(first, storage=())
    assert [place.purpose for place in second.storage] == ["home", "store"]


def test_another_path_or_program_is_tried_anew(
    tmp_path: Path, tries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(tmp_path)
    other = tmp_path / "other-proot"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    look(tmp_path, WHERRY_ENGINE_PROOT=str(other))
    assert tries[1:] == [str(other)]
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/nonexistent")
    look(tmp_path)
    assert len(tries) == 3


def test_a_switch_that_moved_is_tried_anew(tmp_path: Path, tries: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator was asked, and did it."""
    look(tmp_path)
    found = module.switches.read_namespaces()
    moved = msgspec.structs.replace(found, limit=(found.limit or 0) + 1)
    monkeypatch.setattr(module.switches, "read_namespaces", lambda: moved)
    look(tmp_path)
    assert len(tries) == 2


def test_a_refusal_is_kept_for_five_minutes_only(
    tmp_path: Path, tries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "try_network", lambda: False)
    now = module._now()
    for later, expected in ((0.0, 1), (299.0, 1), (301.0, 2)):
        monkeypatch.setattr(module, "_now", lambda later=later: now + later)
        assert not look(tmp_path).namespaces.network
        assert len(tries) == expected


def test_a_broken_file_is_read_as_none(tmp_path: Path, tries: list[str]) -> None:
    look(tmp_path)
    (tmp_path / "wherry/machine.json").write_text('{"asked": 3}')
    look(tmp_path)
    assert len(tries) == 2


def test_the_trials_leave_nothing_behind(tmp_path: Path) -> None:
    """No mount, no file but the answers and what proot is given; proot and the others really run."""
    look(tmp_path)
    kept = [name for name in os.listdir(tmp_path / "wherry") if not name.startswith("proot-loader-")]
    assert sorted(kept) == ["host.json", "machine.json"]
    assert os.listdir(tmp_path) == ["wherry"]
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()  # others mount things meanwhile
