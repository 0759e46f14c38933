"""Every verb explains itself: a summary, help for each option, an example that its own parser understands."""

from __future__ import annotations

import re
import shlex

import pytest

from wherry.cli import catalogue, main
from wherry.cli.parse import parse

NAMES = sorted(catalogue.NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_verb_is_documented(name: str) -> None:
    verb = catalogue.load(name)
    assert name == verb.name
    assert verb.summary and verb.summary[0].islower() and not verb.summary.endswith(".")
    assert verb.examples
    for option in verb.options:
        assert option.help and not option.help.endswith("."), option.names
        assert (option.kind == "flag") == (not option.metavar), option.names


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_verb_are_understood_by_it(name: str) -> None:
    verb = catalogue.load(name)
    for line, meaning in verb.examples:
        flat = re.sub(r'"?\$\((.*?)\)"?', r"NAME | \1", line)  # the command in $(...) is looked at as well
        words = shlex.split(flat.split(" < ")[0])
        commands = [list(part) for part in _pipeline(words) if part[:1] == ["wherry"] or "wherry" in part]
        mine = [part[part.index("wherry") + 1 :] for part in commands]
        assert any(part[0] in catalogue.NAMES for part in mine), line
        for part in mine:
            other = catalogue.load(part[0])
            other.check_count(parse(other, part[1:]))
        assert meaning


def _pipeline(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_verb_shows_usage_options_and_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: wherry {name}" in shown and "Examples:" in shown
    for option in catalogue.load(name).options:
        assert option.names[-1] in shown


def test_what_run_alone_has_is_shown_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("--detach") < shown.index("\nYours:") < shown.index("--here  ")


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_the_help_of_wherry_shows_every_verb_under_its_heading(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main.main([word]) == 0
    shown = capsys.readouterr().out
    positions = [shown.index(f"\n{heading.capitalize()}:") for heading, _ in catalogue.GROUPS]
    assert positions == sorted(positions)
    for name in NAMES:
        assert f"\n  {name} " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_every_verb_module_is_in_the_catalogue() -> None:
    import pkgutil

    from wherry.cli import verbs

    found = {module.name.rstrip("_").replace("_", "-") for module in pkgutil.iter_modules(verbs.__path__)}
    assert set(catalogue.NAMES) == found
