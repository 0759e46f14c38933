"""Ignore files: the last line that matches a path, or a directory above it, decides."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from wherry.base.errors import UsageError, WherryError
from wherry.build.context import Context, Ignore, parse_ignore, read_ignore


def lines(*texts: str) -> Ignore:
    return parse_ignore("\n".join(texts).encode())


@pytest.mark.parametrize(
    ("texts", "path", "expected"),
    [
        (["a"], "a", True),
        (["a"], "a/b/c", True),
        (["a"], "b/a", False),
        (["/a"], "a", True),
        (["./a/"], "a", True),
        (["a/../b"], "b", True),
        (["../a"], "a", False),
        (["/"], "a", False),
        (["."], "a", False),
        (["*.md"], "README.md", True),
        (["*.md"], "docs/README.md", False),
        (["**/*.md"], "docs/README.md", True),
        (["*/temp*"], "somedir/temporary.txt", True),
        (["*/temp*"], "somedir/sub/temporary.txt", False),
        (["*/*/temp*"], "somedir/sub/temporary.txt", True),
        (["temp?"], "tempa", True),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", True),
        (["*.md", "README-secret.md", "!README*.md"], "README-secret.md", False),
        (["*", "!src"], "src/a/b", False),
        (["*", "!src/*.c"], "src/a.c", False),
        (["*", "!src/*.c"], "src/a.h", True),
        (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md"], "docs/other", True),
        (["!a"], "a", False),
        (["a", "!a/b", "a/b/c"], "a/b/c", True),
        (["a", "!a/b", "a/b/c"], "a/b/d", False),
        (["# a", "b"], "a", False),
        ([" # a"], "# a", True),
        (["", "   ", "  a  "], "a", True),
        (["! a ", "b"], "b", True),
        (["\ufeffa"], "a", True),
        (["a\r"], "a", True),
        ([r"\!important"], "!important", True),
        ([r"\#x"], "#x", True),
    ],
)
def test_what_is_ignored(texts: list[str], path: str, expected: bool) -> None:
    assert lines(*texts).matches(path) is expected


@pytest.mark.parametrize(
    ("texts", "folder", "expected"),
    [
        (["a"], "a", False),
        (["a", "!a/b"], "a", True),
        (["a", "!a/b/c"], "a/b", True),
        (["a", "!a/b"], "a/c", False),
        (["!a/b", "a"], "a", False),
        (["*", "!**/*.py"], "any/where", True),
    ],
)
def test_it_is_known_whether_something_comes_back(texts: list[str], folder: str, expected: bool) -> None:
    assert lines(*texts).may_hold(folder) is expected


def test_the_line_that_decided_is_told() -> None:
    assert lines("# comment", "*.txt", "x").line_of("a.txt") == (2, "*.txt")


@pytest.mark.parametrize("text", ["!", "[", "a/[b", "! "])
def test_a_malformed_line_is_told_by_its_number(text: str) -> None:
    with pytest.raises(UsageError, match=r"line 2 of '\.dockerignore'"):
        lines("a", text)


def test_the_file_beside_the_recipe_wins(tmp_path: Path) -> None:
    context, recipes = tmp_path / "context", tmp_path / "recipes"
    context.mkdir()
    recipes.mkdir()
    here = Context("x", str(context))
    assert not read_ignore(here, str(recipes / "a.Dockerfile"))
    (context / ".containerignore").write_text("podman")
    assert read_ignore(here, str(recipes / "a.Dockerfile")).matches("podman")
    (context / ".dockerignore").write_text("docker")
    assert read_ignore(here, str(recipes / "a.Dockerfile")).matches("docker")
    assert read_ignore(here).matches("docker")
    (recipes / "a.Dockerfile.dockerignore").write_text("own")
    found = read_ignore(here, str(recipes / "a.Dockerfile"))
    assert found.matches("own")
    assert not found.matches("docker")
    assert found.name == "a.Dockerfile.dockerignore"


def test_an_ignore_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").symlink_to("/etc/passwd")
    with pytest.raises(WherryError, match="cannot be read"):
        read_ignore(Context("x", str(tmp_path)))


def test_a_megabyte_of_patterns_is_read_and_asked_at_once() -> None:
    ignore = parse_ignore("\n".join(f"folder{number}/file{number}" for number in range(50_000)).encode())
    began = time.process_time()
    assert sum(ignore.matches(f"folder{number}/file{number}/x") for number in range(2_000)) == 2_000
    assert not ignore.matches("folder1/file2")
    assert time.process_time() - began < 1
