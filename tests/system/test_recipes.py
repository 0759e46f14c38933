"""The recipes in ``demo/recipes``: real codes from Debian's packages, built by an ordinary user, run, found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry_command import Wherry

RECIPES = Path(__file__).resolve().parents[2] / "demo/recipes"
SAYS = {
    "astronomy": "all stars are as bright as they were made",
    "genomics": "both aligners find the variants of the sample",
    "mastercode": "the fit finds the resonance that the events were made with",
    "montage": "the mosaic of 4 pictures is the sky that they were made of",
    "mpi-fortran": "2 processes, 500 steps, largest error",
    "r-package": "the Nile's flow changed by -2.60 units a year",
}


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory, small_image: str) -> Iterator[Wherry]:
    """A store that has ``debian:12``."""
    wherry = Wherry(tmp_path_factory.mktemp("recipes"))
    wherry.ok("pull", "-q", small_image)
    wherry.ok("tag", small_image, "debian:12")
    yield wherry


def test_every_recipe_is_tried() -> None:
    assert {folder.name for folder in RECIPES.iterdir() if folder.is_dir()} == SAYS.keys()


@pytest.mark.timeout(1000)  # a machine that does other things at the same time compiles slowly
@pytest.mark.parametrize("name", SAYS)
def test_a_recipe_is_built_run_and_found_again(builder: Wherry, name: str) -> None:
    folder = str(RECIPES / name)
    first = builder.ok("build", "-q", "-t", name, folder, timeout=900).strip()
    assert SAYS[name] in builder.ok("run", name)
    assert builder.ok("build", "-q", folder).strip() == first


@pytest.mark.parametrize("name", SAYS)
def test_lint_finds_nothing_in_a_recipe(builder: Wherry, name: str) -> None:
    assert builder("lint", str(RECIPES / name)).stdout.startswith("nothing found")


def test_a_recipe_gives_the_same_bytes_again(builder: Wherry) -> None:
    builder.ok("build", "-q", "--check", str(RECIPES / "genomics"), timeout=280)


def test_an_mpi_program_runs_on_more_processes(builder: Wherry) -> None:
    told = builder.ok("run", "mpi-fortran", "mpirun", "-n", "3", "--oversubscribe", "heat", "50")
    assert told.startswith("3 processes, 50 steps")
