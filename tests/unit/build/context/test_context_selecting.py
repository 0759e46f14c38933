"""What the sources of a COPY mean."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from wherry.base.errors import NotFound, WherryError
from wherry.build.context import Selection, parse_ignore, select


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    for name in ("home.txt", "homely.md", "src/a.c", "src/b.h", "src/deep/c.c", "docs/README.md", "x/a.txt", "y/a.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "empty").mkdir()
    (root / "link").symlink_to("src")
    (root / "absolute").symlink_to("/src/a.c")
    (root / "out").symlink_to("../../../etc/passwd")
    (root / "src" / "inner").symlink_to("a.c")
    return root


def shown(selection: Selection) -> list[str]:
    return [f"{pick.name}:{path}" for pick in selection.picks for path, _ in pick.entries]


def paths(selection: Selection) -> list[str]:
    return [node.path for pick in selection.picks for _, node in pick.entries]


def test_a_file_is_itself_and_a_directory_all_below_it(context: Path) -> None:
    assert shown(select(str(context), ["home.txt"])) == ["home.txt:"]
    assert shown(select(str(context), ["src/"])) == [
        "src:",
        "src:a.c",
        "src:b.h",
        "src:deep",
        "src:deep/c.c",
        "src:inner",
    ]


def test_wildcards_are_those_of_one_name(context: Path) -> None:
    assert paths(select(str(context), ["hom*"])) == ["home.txt", "homely.md"]
    assert paths(select(str(context), ["*/a.?"])) == ["src/a.c"]
    assert paths(select(str(context), ["**/c.c"])) == []
    assert paths(select(str(context), ["[xy]/a.txt"])) == ["x/a.txt", "y/a.txt"]


def test_a_pattern_that_matches_nothing_is_noted_and_a_name_is_an_error(context: Path) -> None:
    found = select(str(context), ["*.none"])
    assert found.picks == ()
    assert "'*.none' matches nothing" in found.notes[0]
    with pytest.raises(NotFound, match=r"'hom.txt' is not in the context") as error:
        select(str(context), ["hom.txt"])
    assert error.value.hint == "did you mean 'home.txt'?"
    with pytest.raises(NotFound) as error:
        select(str(context), ["src/Deep/d.c"])
    assert error.value.hint == "did you mean 'src/deep'?"


def test_a_source_that_is_a_link_is_followed_inside_the_context(context: Path) -> None:
    assert paths(select(str(context), ["link"]))[0] == "src"
    assert paths(select(str(context), ["absolute"])) == ["src/a.c"]
    assert paths(select(str(context), ["link/deep/../a.c"])) == ["src/a.c"]
    with pytest.raises(NotFound):
        select(str(context), ["out"])
    assert [node.is_link for _, node in select(str(context), ["src"]).picks[0].entries][-1]


def test_nothing_above_the_context_is_a_source(context: Path) -> None:
    assert paths(select(str(context), ["../../home.txt"])) == ["home.txt"]
    (context.parent / "secret").write_text("secret")
    with pytest.raises(NotFound):
        select(str(context), ["../secret"])
    with pytest.raises(NotFound):
        select(str(context), [f"{context.parent}/secret"])


def test_ignored_files_are_not_there_and_the_error_says_why(context: Path) -> None:
    ignore = parse_ignore(b"*.txt\nsrc\n!src/deep/*.c\n")
    found = paths(select(str(context), ["."], ignore=ignore))
    assert "src/deep/c.c" in found
    assert not {"home.txt", "src/a.c", "src/inner"} & set(found)
    with pytest.raises(NotFound) as error:
        select(str(context), ["home.txt"], ignore=ignore)
    assert error.value.why == "line 1 of '.dockerignore' ('*.txt') leaves it out"


def test_a_directory_of_which_all_is_ignored_is_not_there(context: Path) -> None:
    ignore = parse_ignore(b"src\n!src/none\ndocs/*\n")
    found = paths(select(str(context), ["."], ignore=ignore))
    assert "src" not in found
    assert "docs" in found
    with pytest.raises(NotFound):
        select(str(context), ["src"], ignore=ignore)


def test_the_context_itself_is_there_whatever_is_ignored(context: Path) -> None:
    assert paths(select(str(context), ["."], ignore=parse_ignore(b"*\n"))) == [""]
    assert paths(select(str(context), ["."], ignore=parse_ignore(b"*\n!src/a.c\n"))) == ["", "src", "src/a.c"]


def test_excluded_files_are_left_out(context: Path) -> None:
    assert paths(select(str(context), ["hom*"], exclude=["*.md"])) == ["home.txt"]
    found = select(str(context), ["src"], exclude=["*.h", "deep"])
    assert [path for path, _ in found.picks[0].entries] == ["", "a.c", "inner"]
    found = select(str(context), ["src"], exclude=["**/*.c", "!deep/c.c"])
    assert [path for path, _ in found.picks[0].entries] == ["", "b.h", "deep", "deep/c.c", "inner"]


def test_parents_keep_the_directories_of_the_sources(context: Path) -> None:
    assert shown(select(str(context), ["./x/a.txt", "./y/a.txt"], parents=True)) == [
        ":",
        ":x",
        ":x/a.txt",
        ":",
        ":y",
        ":y/a.txt",
    ]
    assert shown(select(str(context), ["src/./deep/*.c"], parents=True)) == [":", ":deep", ":deep/c.c"]
    assert shown(select(str(context), ["**/*.c"], parents=True)) == [
        ":",
        ":src",
        ":src/a.c",
        ":src/deep",
        ":src/deep/c.c",
    ]
    assert shown(select(str(context), ["src/deep"], parents=True)) == [":", ":src", ":src/deep", ":src/deep/c.c"]
    with pytest.raises(NotFound):
        select(str(context), ["x/b.txt"], parents=True)
    assert select(str(context), ["x/*.none"], parents=True).notes


def test_what_is_no_file_is_left_out_and_refused_where_it_is_named(context: Path) -> None:
    os.mkfifo(context / "src" / "pipe")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(context / "src")
    try:
        server.bind("socket")
    finally:
        os.chdir(here)
    found = select(str(context), ["src"])
    assert not {"src/pipe", "src/socket"} & set(paths(found))
    assert [note.partition(": ")[2] for note in found.notes] == ["it is a pipe", "it is a socket"]
    with pytest.raises(WherryError, match="'src/pipe' of the context cannot be copied: it is a pipe"):
        select(str(context), ["src/pipe"])
    server.close()


def test_a_directory_that_may_not_be_read_is_told_by_name(context: Path) -> None:
    if os.geteuid() == 0:
        pytest.fail("tests run as an ordinary user")
    (context / "src" / "deep").chmod(0)
    try:
        with pytest.raises(WherryError, match=r"context/src/deep' cannot be read: permission denied"):
            select(str(context), ["src"])
    finally:
        (context / "src" / "deep").chmod(0o755)


def test_escaped_names_are_names(context: Path) -> None:
    (context / "arr[0].txt").write_text("x")
    assert paths(select(str(context), ["arr[[]0].txt"])) == ["arr[0].txt"]
    assert paths(select(str(context), [r"arr\[0].txt"])) == ["arr[0].txt"]
