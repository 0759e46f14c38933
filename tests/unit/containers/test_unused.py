"""Names layers that nobody needs, and none that a start, a plan or a container may need."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stores import add_image
from wherry.base.outside import Outside
from wherry.containers import unused
from wherry.containers.unused import remove_names, unused_names
from wherry.containers.world import World
from wherry.launch import LaunchPlan, Operation, save, write_files
from wherry.launch.plan import PlanFile

_DAYS = 3 * 86400.0
_TRUE_TIME = time.time


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which no other process of this machine holds a container, three days further."""
    (tmp_path / "run").mkdir(mode=0o700)
    environ = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "WHERRY_STORE": str(tmp_path / "store"),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
    }
    monkeypatch.setattr(unused, "held_files", dict)
    world = World(Outside(environ))
    later(monkeypatch, _DAYS)
    assert world.store.path == str(tmp_path / "store")
    return world


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """It is so much later than it is."""
    monkeypatch.setattr(time, "time", lambda: _TRUE_TIME() + seconds)


def plan_of(world: World, letter: str = "a") -> LaunchPlan:
    """A plan that shows one file; the layer is made as a start makes it."""
    place = f"{world.store.path}/shown/{letter * 32}"
    files = (PlanFile(place, None, 0o755), PlanFile(f"{place}/etc", None, 0o755))
    plan = LaunchPlan(
        (), (Operation("DIRECTORY", (place, 0o755)),), (*files, PlanFile(f"{place}/etc/passwd", b"me", 0o644))
    )
    write_files(plan)
    return plan


def layer_of(plan: LaunchPlan) -> Path:
    return Path(plan.files[0].path)


def test_a_layer_that_nothing_uses_goes_with_its_mark(here: World) -> None:
    layer = layer_of(plan_of(here))
    assert unused_names(here) == (str(layer),)
    assert remove_names(here, unused_names(here)) == 1
    assert os.listdir(layer.parent) == []
    assert os.listdir(f"{here.store.path}/tmp") == []


def test_a_layer_of_a_plan_of_the_last_day_stays(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the layer itself is old: a plan that is not saved may be about to start with it."""
    plan = plan_of(here)
    age_all(layer_of(plan), _DAYS)
    later(monkeypatch, 0)
    write_files(plan)
    assert unused_names(here) == ()


def test_a_layer_that_a_saved_plan_names_stays(here: World) -> None:
    plan = plan_of(here)
    path = save(plan, ("wherry", "run"), here.runtime)
    assert path is not None
    assert unused_names(here) == ()
    os.unlink(path)
    assert unused_names(here) == (str(layer_of(plan)),)


def test_a_layer_that_was_there_when_the_last_container_began_stays(
    here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this session or another: which layer it has is not known."""
    before, after = layer_of(plan_of(here, "b")), layer_of(plan_of(here, "c"))
    age_all(before, 7200)
    running = tmp_path / "other-session"
    running.touch()
    os.utime(running, (0, before.stat().st_mtime + 3600))
    monkeypatch.setattr(unused, "held_files", lambda: {"0" * 64: str(running)})
    assert unused_names(here) == (str(after),)
    monkeypatch.setattr(unused, "held_files", dict)
    folder = Path(here.runtime) / "running"
    folder.mkdir()
    os.rename(running, folder / ("0" * 64))
    assert unused_names(here) == (str(after),)


def test_nothing_goes_where_processes_cannot_be_looked_at(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_of(here)
    monkeypatch.setattr(unused, "held_files", lambda: None)
    assert unused_names(here) == ()


def test_nothing_goes_while_another_session_may_run_something(here: World) -> None:
    plan_of(here)
    image = add_image(here.store, "layer", names=["tiny:1"])
    here.store.lease(image, here.outside.node(), here.outside.boot_id(), here.store.path)
    assert unused_names(here) == ()


def test_what_is_needed_again_comes_back(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container begins between the look and the removal."""
    layer = layer_of(plan_of(here))
    found = unused_names(here)
    running = layer.parent / "now"
    running.touch()
    monkeypatch.setattr(unused, "held_files", lambda: {"0" * 64: str(running)})
    assert remove_names(here, found) == 0
    assert (layer / "etc/passwd").read_bytes() == b"me"


def test_what_others_put_there_is_left(here: World) -> None:
    layer = layer_of(plan_of(here))
    for name in ("readme", "A" * 32, "a" * 31):
        (layer.parent / name).mkdir()
    assert unused_names(here) == (str(layer),)


def age_all(layer: Path, seconds: float) -> None:
    for path in (layer, layer.parent / f".{layer.name}"):
        found = path.stat()
        os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))
