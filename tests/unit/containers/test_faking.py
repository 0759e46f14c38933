"""What a start with ``--fakeroot`` is told lies in the runtime folder, and goes when nobody has used it for a day."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wherry.base.outside import Outside
from wherry.containers import faking
from wherry.containers.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "run").mkdir(mode=0o700)
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "WHERRY_STORE": str(tmp_path / "store")}
    return World(Outside(environ))


def kept(world: World, name: str) -> Path:
    return Path(faking._kept_as(world, name, os.mkdir, make=True))


def test_what_is_taken_again_stays_and_what_nobody_takes_goes(world: World) -> None:
    """A step may show it for hours, while others begin and sweep."""
    used, left = kept(world, "used"), kept(world, "left")
    for path in (used, left):
        (path / "place").touch()
        os.utime(path, (0, time.time() - 23 * 3600))
    assert kept(world, "used") == used
    os.utime(left, (0, time.time() - 25 * 3600))
    kept(world, "new")
    assert (used / "place").exists() and not left.exists()
    assert time.time() - used.stat().st_mtime < 60


def test_a_use_soon_after_another_is_not_written_down(world: World) -> None:
    """Plans that were saved count on its stamp."""
    path = kept(world, "used")
    os.utime(path, (0, time.time() - 600))
    before = path.stat()
    kept(world, "used")
    assert path.stat() == before
