"""The ways to other owners in builds: each makes the same layers, and the one that only pretends says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import images
from build_recipes import RECIPES, context_in
from wherry_command import Wherry


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """The command in a store that has ``tiny`` and ``small``."""
    wherry = Wherry(tmp_path_factory.mktemp("owners"))
    for name in ("tiny", "small"):
        wherry.ok("tag", wherry.ok("load", "-q", f"oci:{images.image(name)}").split()[-1], name)
    return wherry


def build(lab: Wherry, folder: Path, recipe: str, way: str, *more: str) -> tuple[list[str], str]:
    """The diff ids of the image that was made, and what was said."""
    (folder / "Dockerfile").write_text(recipe)
    words = ("build", "--progress", "plain", "--no-cache", "--owners", way, "-t", f"made-{way}", *more, str(folder))
    ended = lab(*words)
    assert ended.status == 0, str(ended)
    return json.loads(lab.ok("inspect", f"made-{way}"))[0]["RootFS"]["Layers"], ended.stdout + ended.stderr


def left_over(lab: Wherry) -> list[str]:
    return [path.name for path in (lab.folder / "store" / "tmp").iterdir()]


@pytest.mark.parametrize("name", ["programs", "links", "removals", "users", "stages"])
def test_every_way_makes_the_same_layers(lab: Wherry, tmp_path: Path, name: str) -> None:
    """By real root BuildKit makes these, too (test_build_compared.py)."""
    context = context_in(tmp_path / name)
    found = [build(lab, context, RECIPES[name], way)[0] for way in ("supervisor", "range")]
    assert found[0] == found[1]
    assert left_over(lab) == []


def test_a_range_shows_the_images_owners(lab: Wherry, tmp_path: Path) -> None:
    names = "/etc/shadow /usr/bin/chage /usr/bin/passwd /var/mail /var/log/lastlog /tmp /etc"
    layers, said = build(lab, tmp_path, f"FROM small\nRUN stat -c '%u:%g %a' {names}\n", "range")
    shown = [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith("#1 ")]
    assert shown[1:8] == ["0:42 640", "0:42 2755", "0:0 4755", "0:8 2775", "0:43 664", "0:0 1777", "0:0 755"]
    assert len(layers) == len(json.loads(lab.ok("inspect", "small"))[0]["RootFS"]["Layers"])


def test_a_step_that_fails_with_a_range_leaves_nothing_of_others(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM small\nRUN install -d -o 5 -m 700 /a/b && touch /a/b/c && false\n")
    assert lab("build", "--owners", "range", str(tmp_path)).status == 1
    assert left_over(lab) == []


def test_the_user_of_a_step_with_a_range_is_really_another(lab: Wherry, tmp_path: Path) -> None:
    recipe = "FROM small\nUSER games\nRUN ! cat /etc/shadow && ! touch /etc/no && ! rm /etc/passwd && touch /tmp/mine\n"
    build(lab, tmp_path, recipe, "range")
    assert lab.ok("run", "--rm", "--fakeroot", "made-range", "stat", "-c", "%U:%G", "/tmp/mine") == "games:games\n"
