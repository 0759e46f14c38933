"""The small parser, and that click (made from the same tables) reads every command line the same way."""

from __future__ import annotations

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from wherry.base.errors import UsageError
from wherry.cli import catalogue, commands
from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.parse import NotUnderstood, parse, with_plain_flags

RUN = catalogue.load("run")

UNDERSTOOD = [
    ([], {}, (), 0),
    (["debian"], {}, ("debian",), 1),
    (["debian", "-it", "--rm"], {}, ("debian", "-it", "--rm"), 1),
    (["-it", "debian"], {"interactive": True, "tty": True}, ("debian",), 2),
    (["-e", "A=1", "-eB=2", "--env=C", "--env", "D", "i", "x"], {"env": ("A=1", "B=2", "C", "D")}, ("i", "x"), 7),
    (["-ite", "A=1", "i"], {"interactive": True, "tty": True, "env": ("A=1",)}, ("i",), 3),
    (["-w/work", "i"], {"workdir": "/work"}, ("i",), 2),
    (["--name", "a", "--name", "b", "i"], {"name": "b"}, ("i",), 5),
    (["--env", "--rm", "i"], {"env": ("--rm",)}, ("i",), 3),
    (["--entrypoint=", "i"], {"entrypoint": ""}, ("i",), 2),
    (["-h", "node", "i"], {"hostname": "node"}, ("i",), 3),
    (["i", "--", "ls", "-l"], {}, ("i", "--", "ls", "-l"), 1),
    (["--here", "--", "ls"], {"here": True}, ("", "ls"), 2),
    (["-", "x"], {}, ("-", "x"), 1),
    (["--pull", "often", "--pull", "always", "i"], {"pull": "always"}, ("i",), 5),
]


@pytest.mark.parametrize(("words", "options", "rest", "prefix"), UNDERSTOOD)
def test_a_command_line_is_read(
    words: list[str], options: dict[str, object], rest: tuple[str, ...], prefix: int
) -> None:
    assert parse(RUN, words) == Given(options, rest, tuple(words[:prefix]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ["--evn", "A"],
        ["-Z"],
        ["-itZ", "i"],
        ["--env"],
        ["-e"],
        ["--rm=maybe", "i"],
        ["-t=", "i"],
        ["--help"],
        ["--pull", "often", "i"],
    ],
)
def test_what_is_not_understood_is_left_to_click(words: list[str]) -> None:
    with pytest.raises(NotUnderstood):
        parse(RUN, words)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--rm=true", "i"], {"rm": True}),
        (["--rm=1", "-i=T", "i"], {"rm": True, "interactive": True}),
        (["--rm", "--rm=false", "i"], {}),
        (["--rm=false", "--rm", "i"], {"rm": True}),
        (["-it=false", "i"], {"interactive": True}),
        (["--read-only=true", "-t=false", "-e", "--rm=true", "i"], {"read_only": True, "env": ("--rm=true",)}),
    ],
)
def test_a_flag_may_be_set_to_true_or_false(words: list[str], options: dict[str, object]) -> None:
    """As Docker's flags; click gets the same line without it."""
    given = parse(RUN, words)
    assert (options, ("i",)) == (given.options, given.words)
    assert _without_place(RUN, _by_click(RUN, words)) == (options, ("i",))


def test_options_may_follow_the_words_of_other_verbs() -> None:
    words = ["a", "-f", "b", "--", "-c"]
    assert Given({"force": True}, ("a", "b", "-c"), said=tuple(words)) == parse(catalogue.load("rmi"), words)


@st.composite
def _command_lines(draw: st.DrawFn) -> tuple[Verb, list[str]]:
    verb = catalogue.load(draw(st.sampled_from(sorted(catalogue.NAMES))))
    names = [name for option in verb.options for name in option.names]
    letters = "".join(name[1] for name in names if len(name) == 2) or "q"
    value = st.sampled_from(["", "a", "A=1", "-", "--", "-e", "--rm", "7", "-7", "=", "host", "always", "x=y=z", "é"])
    pieces = [
        value,
        st.text("abeilqtv-=7", max_size=4),
        st.text(letters, min_size=1, max_size=3).map(lambda s: "-" + s),
    ]
    if names:
        name = st.sampled_from(names)
        pieces += [name, name, st.tuples(name, value).map("=".join), st.tuples(name, value).map("".join)]
    return verb, draw(st.lists(st.one_of(pieces), max_size=7))


@settings(max_examples=1000, deadline=None, database=None)
@hypothesis_given(_command_lines())
def test_both_parsers_read_every_command_line_the_same_way(line: tuple[Verb, list[str]]) -> None:
    verb, words = line
    try:
        small: Given | None = parse(verb, words)
    except NotUnderstood:
        small = None
    assert _without_place(verb, small) == _without_place(verb, _by_click(verb, words))


def _by_click(verb: Verb, words: list[str]) -> Given | None:
    import click

    try:
        context = commands.command(verb).make_context(verb.name, with_plain_flags(verb, words))
    except (click.UsageError, click.exceptions.Exit):
        return None
    return commands.given_by(verb, context.params)


def _without_place(verb: Verb, given: Given | None) -> object:
    """Options and words; ``--`` in place of the image is only known to the small parser."""
    if given is None:
        return None
    return given.options, given.words[1:] if verb.stops and given.prefix[-1:] == ("--",) else given.words


def test_a_wrong_number_of_words_is_named() -> None:
    verb = catalogue.load("rename")
    with pytest.raises(UsageError, match="needs a NEW-NAME"):
        verb.check_count(parse(verb, ["old"]))
    with pytest.raises(UsageError, match="does not take 'c'"):
        verb.check_count(parse(verb, ["a", "b", "c"]))


def test_the_sign_after_a_letter_is_dropped_for_peers() -> None:
    """pflag reads ``-w=/x`` as ``-w /x``."""
    verb = Verb("run", "", lambda given: 0, (Option(("-w", "--workdir"), "", "text"), Option(("-i",), "")))
    assert parse(verb, ["-w=/x"], equals=True).text("workdir") == "/x"
    assert parse(verb, ["-iw=/x=y"], equals=True).text("workdir") == "/x=y"
    assert parse(verb, ["-w=/x"]).text("workdir") == "=/x"
