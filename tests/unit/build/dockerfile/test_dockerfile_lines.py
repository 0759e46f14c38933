"""Lines: parser directives, comments, joined lines, and where things stand."""

from __future__ import annotations

import pytest

from wherry.build.dockerfile import Position, RecipeError, decode, parse
from wherry.build.dockerfile.instructions import Directives, Heredoc, Instruction


def all_of(text: str) -> list[Instruction]:
    return [each for stage in parse(text).stages for each in stage.instructions]


def texts(body: str, escape: str = "") -> list[str]:
    """The logical lines after a FROM."""
    head = f"# escape={escape}\n" if escape else ""
    return [each.text for each in all_of(f"{head}FROM a\n{body}")]


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        ("FROM a", Directives()),
        ("# syntax=docker/dockerfile:1\nFROM a", Directives(syntax="docker/dockerfile:1")),
        ("#syntax=x\nFROM a", Directives(syntax="x")),
        ("# syntax =x\nFROM a", Directives(syntax="x")),
        ("#\tsyntax= x\nFROM a", Directives(syntax="x")),
        ("#\t  sYnTaX = x y \nFROM a", Directives(syntax="x y")),
        ("  # syntax=x\nFROM a", Directives(syntax="x")),
        ("# escape=`\nFROM a", Directives(escape="`")),
        ("# escape=\\\nFROM a", Directives()),
        ("# check=skip=A,B;error=true\nFROM a", Directives(check="skip=A,B;error=true")),
        ("# escape=`\n# syntax=x\n# check=skip=all\nFROM a", Directives("x", "`", "skip=all")),
        ("\ufeff# syntax=x\r\nFROM a\r\n", Directives(syntax="x")),
        ("# About my recipe\n# escape=`\nFROM a", Directives()),
        ("\n# escape=`\nFROM a", Directives()),
        ("# unknown=value\n# escape=`\nFROM a", Directives()),
        ("FROM a\n# escape=`", Directives()),
        ("# escape=\nFROM a", Directives()),
        ("# esc \\\nape=`\nFROM a", None),
    ],
)
def test_directives_stand_before_all_else(text: str, directives: Directives | None) -> None:
    if directives is None:  # they are never joined: the second line is no instruction
        with pytest.raises(RecipeError, match="unknown instruction 'ape=`'"):
            parse(text)
        return
    assert parse(text).directives == directives


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("RUN a \\\n  b", ["RUN a   b"]),
        ("RUN a\\\nb", ["RUN ab"]),
        ("RUN a \\ \t\n b", ["RUN a  b"]),
        ("RUN a \\\n# c\n b", ["RUN a  b"]),
        ("RUN a \\\n   # c\n\n \t\n b", ["RUN a  b"]),
        ("RUN a \\\n b \\\n c\nUSER d", ["RUN a  b  c", "USER d"]),
        ("RUN a \\\\\nUSER b", ["RUN a \\\\", "USER b"]),  # two are one, for the shell
        ("RUN a \\", ["RUN a"]),
        ("RUN a \\\n\n# c\n", ["RUN a"]),
        ("  \t RUN a  \t", ["RUN a"]),
        ("RUN a # b", ["RUN a # b"]),
        ("# c\n  # d\nRUN a", ["RUN a"]),
        ("\\\nRUN a", ["RUN a"]),
        ("R\\\nUN a", ["RUN a"]),
        ("\\", []),
        ("RUN a \\\r\n b\r\nUSER c\r\n", ["RUN a  b", "USER c"]),
        ("RUN a\u2028b\x85c\x0cd", ["RUN a\u2028b\x85c\x0cd"]),  # only \n ends a line
        ("RUN a ` \\\n b", ["RUN a `  b"]),
    ],
)
def test_lines_are_joined(body: str, lines: list[str]) -> None:
    assert texts(body) == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("RUN a `\n b", ["RUN a  b"]),
        ("COPY testfile.txt c:\\\nRUN dir c:\\", ["COPY testfile.txt c:\\", "RUN dir c:\\"]),
        ("RUN a ``\nUSER b", ["RUN a ``", "USER b"]),
    ],
)
def test_the_escape_character_can_be_another(body: str, lines: list[str]) -> None:
    assert texts(body, "`") == lines


def test_blanks_in_front_of_a_joined_line_count() -> None:
    (found,) = all_of('FROM a\nLABEL x="a \\\n   b"')
    assert found.text == 'LABEL x="a    b"'


def test_comments_are_kept_with_their_lines_but_not_from_heredocs() -> None:
    recipe = parse("# syntax=x\n#\n# one \nFROM a\nRUN a \\\n #two\n b <<E\n# not me\nE\n#three")
    assert recipe.comments == ((2, ""), (3, "one"), (6, "two"), (10, "three"))


def test_lines_are_kept_as_they_are() -> None:
    assert parse("\ufeffFROM a\r\n\n  RUN b\n").lines == ("FROM a", "", "  RUN b")


def test_a_heredocs_content_is_as_it_stands() -> None:
    (found,) = all_of("FROM a\r\nRUN <<E\r\n a \r\n\r\n\u2028\r\nE\r\n")
    assert found.heredocs == (Heredoc("E", " a \r\n\r\n\u2028\r\n"),)


def test_positions_are_those_of_what_is_meant() -> None:
    copy = "FROM a\n\n  COPY --chown=1 \\\n# x\n\\\n   --form=b c d"
    with pytest.raises(RecipeError) as caught:
        parse(copy)
    assert caught.value.position == Position(6, 4)
    (found,) = all_of("FROM a\n\n  USER \\\n\n  b\n")
    assert (found.position, found.last_line) == (Position(3, 3), 5)


def test_bytes_that_are_no_utf8_may_stand_in_comments() -> None:
    text = decode(b"# Andr\xe9\nFROM a\nRUN b\n")
    assert parse(text).stages[0].instructions[0].text == "RUN b"
    with pytest.raises(RecipeError, match="byte 0xe9 is no UTF-8") as caught:
        parse(decode(b"FROM a\nLABEL by=Andr\xe9\n"))
    assert caught.value.position == Position(2, 14)
    with pytest.raises(RecipeError, match="byte 0xe9") as caught:
        parse(decode(b"FROM a\nRUN <<E\nok\n\xe9\nE\n"))
    assert caught.value.position == Position(4, 1)


def test_utf16_is_told_by_name() -> None:
    with pytest.raises(RecipeError, match="Recipe is UTF-16"):
        decode("FROM a".encode("utf-16"), "Recipe")
