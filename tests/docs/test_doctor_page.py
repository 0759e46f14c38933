"""The page on ``doctor`` names every obstacle that the code can find, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/doctor.md").read_text()
MAKERS = {"Obstacle", "_no_gain"}


def named(source: str) -> Iterator[str]:
    """The first argument of each call that makes an obstacle."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS):
            continue
        if node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def test_the_page_and_the_code_name_the_same_obstacles() -> None:
    files = ("obstacles.py", "shortcomings.py")
    code = [name for file in files for name in named((ROOT / "src/wherry/host" / file).read_text())]
    page = re.findall(r"^\| `([a-z]+-[a-z0-9-]+)` \|", PAGE, re.MULTILINE)
    assert len(page) > 30
    assert sorted(page) == sorted(set(code))


def test_the_administrators_page_names_only_obstacles_that_exist() -> None:
    known = set(re.findall(r"^\| `([a-z]+-[a-z0-9-]+)` \|", PAGE, re.MULTILINE))
    for name in ("for-administrators.md", "it-does-not-start.md"):
        text = (ROOT / "docs/how-to" / name).read_text()
        mentioned = set(re.findall(r"\[`([a-z]+-[a-z0-9-]+)`\]", text))
        assert mentioned
        assert mentioned <= known
