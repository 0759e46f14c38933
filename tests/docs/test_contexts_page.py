"""The page on contexts: its tables of addresses and of ignore files' lines are what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from wherry.build.context import parse_ignore
from wherry.build.context.giturl import parse_git

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/build-contexts.md").read_text()


def rows(section: str) -> list[list[str]]:
    """The code in the first cell of each row, and the rest of the row."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    return [[*re.findall(r"`([^`]+)`", line.split("|")[1])] for line in lines]


def test_its_addresses_are_repositories_and_the_others_are_not() -> None:
    others, repositories = rows("Contexts")[:4], rows("Contexts")[4:]
    assert len(repositories) == 2
    for address in (address for row in repositories for address in row):
        whole = f"{address}HOST/REPO" if address.endswith("://") else address
        assert parse_git(whole) is not None, address
    assert not [address for row in others for address in row if parse_git(address) is not None]


def test_its_queries_are_known() -> None:
    for key, value in dict(re.findall(r"`\?([a-z-]+)=(\w*)`", PAGE)).items():
        said = value or {"commit": "0123456789", "keep-git-dir": "1", "submodules": "0"}.get(key, "x")
        assert parse_git(f"https://h/r.git?{key}={said}") is not None


def test_its_lines_leave_out_what_it_says() -> None:
    lines = [row[0] for row in rows("Ignore files")]
    assert lines == ["# text", "name", "*.log", "*/*.log", "docs/**", "!name", "\\!name"]
    left_out = {
        "# text": set(),
        "name": {"name", "name/a"},
        "/name": {"name", "name/a"},
        "./name/": {"name", "name/a"},
        "*.log": {"x.log"},
        "*/*.log": {"a/x.log"},
        "**/*.log": {"x.log", "a/x.log"},
        "docs/**": {"docs/a"},
        "!name": set(),
        "\\!name": {"!name"},
    }
    shown = {text for row in rows("Ignore files") for text in row}
    assert shown == left_out.keys()
    paths = ("name", "name/a", "a/name", "x.log", "a/x.log", "docs", "docs/a", "!name")
    for line, expected in left_out.items():
        ignore = parse_ignore(line.encode())
        assert {path for path in paths if ignore.matches(path)} == expected, line
