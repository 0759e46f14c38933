"""udocker's command line as udocker reads it."""

from __future__ import annotations

import pytest

from wherry.base.errors import UsageError
from wherry.shims.udocker.words import OPTIONS, read, split

RUN = OPTIONS["run"]


@pytest.mark.parametrize(
    ("line", "options", "words"),
    [
        ("lab true", {}, ("lab", "true")),
        ("--name=a lab", {"name": "a"}, ("lab",)),
        ("--name a lab", {"name": "a"}, ("lab",)),
        ("-v=/a:/b -v /c lab", {"volume": ("/a:/b", "/c")}, ("lab",)),
        ("--rm --nobanner lab --rm -v x", {"rm": True, "nobanner": True}, ("lab", "--rm", "-v", "x")),
        ("--entrypoint= lab -i", {"entrypoint": ""}, ("lab", "-i")),
        ("--env=A=b=c -e D lab", {"env": ("A=b=c", "D")}, ("lab",)),
        ("-i -t -a lab", {"i": True, "t": True, "a": True}, ("lab",)),
        ("--user=x --user=y lab", {"user": "x"}, ("lab",)),
        ("--pull lab", {"pull": "lab"}, ()),
        ("--pull --rm lab", {"rm": True}, ("lab",)),
        ("lab -- true", {}, ("lab", "--", "true")),
    ],
)
def test_options_end_at_the_first_other_word(line: str, options: dict[str, object], words: tuple[str, ...]) -> None:
    """Values come with an equal sign or as the next word; of one that is given twice the first counts."""
    given = read(RUN, line.split())
    assert (given.options, given.words) == (options, words)


def test_the_prefix_ends_with_the_container() -> None:
    """By it a saved plan is found again."""
    assert read(RUN, ["--rm", "-v", "/a", "lab", "sh", "-c", ""]).prefix == ("--rm", "-v", "/a", "lab")
    assert read(RUN, ["--rm"]).prefix == ()


@pytest.mark.parametrize("line", ["--nope lab", "--rm=true lab", "-it lab", "--name", "--name --rm lab", "-- lab"])
def test_other_words_are_syntax_errors(line: str) -> None:
    """Named."""
    with pytest.raises(UsageError, match="syntax error at: -"):
        read(RUN, line.split())


@pytest.mark.parametrize(
    ("line", "verb", "rest"),
    [
        ("ps -m", "ps", ["-m"]),
        ("--quiet run x", "run", ["x"]),
        ("-q --repo=/r images", "images", []),
        ("--repo /r images", "images", []),
        ("--repo r images", "images", []),
        ("--allow-root -D version", "version", []),
        ("--help", "", []),
    ],
)
def test_general_options_come_before_the_verb(line: str, verb: str, rest: list[str]) -> None:
    """The first word with a letter in front is the verb."""
    assert split(line.split())[1:] == (verb, rest)
