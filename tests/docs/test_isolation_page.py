"""The page on isolation says what planning does: variables, devices, files, refused directories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wherry.launch.environment import ALWAYS, BATCH_NAMES
from wherry.launch.mounts import DEVICES
from wherry.launch.surroundings import SYSTEM_FOLDERS

PAGE = (Path(__file__).resolve().parents[2] / "docs/explanation/isolation.md").read_text()


def row(beginning: str) -> set[str]:
    """The code words of the table's row that begins so."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return set(re.findall(r"`([^`]+)`", line))


def test_variables_that_always_pass() -> None:
    assert row("yours, always") - {"LANG", "LC_*"} <= set(ALWAYS)


def test_variables_that_pass_in_a_job() -> None:
    prefixes = tuple(name.rstrip("*_") for name in BATCH_NAMES)
    for name in row("yours, in a batch job"):
        assert name.rstrip("*_") in prefixes


def test_devices() -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| `/dev`")]
    assert line.split("`")[3].split() == list(DEVICES)


@pytest.mark.parametrize("folder", ["/", "/usr", "/etc"])
def test_directories_where_here_is_refused(folder: str) -> None:
    assert f"`{folder}`" in PAGE
    assert folder in SYSTEM_FOLDERS
