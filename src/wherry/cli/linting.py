"""``lint``: findings with the line that they are about, or as rows for programs; the list of the rules."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from wherry.base.errors import WherryError
from wherry.build.lint import (
    FAMILIES,
    LEVELS,
    Choices,
    Finding,
    Rule,
    at_least,
    choices_of,
    lint,
    read_recipe,
    require_rule,
    rule_called,
)
from wherry.cli import listing
from wherry.cli.grammar import Given

__all__ = ["explain", "finding_lines", "show_findings", "show_rules"]

_BOLD, _DIM, _END = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
_WIDEST = 160
"""Columns of a recipe's line that are shown."""


def show_findings(given: Given) -> int:
    """Print what is found in each recipe; 1 when something is, the first failure's status when one cannot be read."""
    from wherry.base.outside import Outside
    from wherry.base.settings import load
    from wherry.cli.main import complain

    settings = load(Outside())
    level = given.text("level") or settings.text("lint.level")
    choices = choices_of(settings, given.many("ignore"), given.many("enable"))
    found: list[Finding] = []
    failed = 0
    read = 0
    for name in given.words or (".",):
        try:
            found += _findings(name, choices)
            read += 1
        except WherryError as error:
            status = complain(error)
            failed = failed or status
    counted = [finding for finding in found if at_least(finding.level, level)]
    form = given.text("format")
    if form in (None, "table"):
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        for line in finding_lines(counted, _width()):
            print(line if colours else _plain(line))
        if read:
            print(_summary(found, counted, level, read))
    else:
        listing.show([_row(finding) for finding in counted], (), form)
    return failed or (1 if counted else 0)


def _findings(name: str, choices: Choices) -> tuple[Finding, ...]:
    recipe, more = read_recipe(name, choices)
    return lint(recipe, more)


def _width() -> int:
    return max(40, min(shutil.get_terminal_size().columns, 120)) if sys.stdout.isatty() else 100


def finding_lines(findings: list[Finding], width: int) -> Iterator[str]:
    """Each finding with its line and what to write; the reason once for each rule."""
    told: set[str] = set()
    for finding in findings:
        line, column = finding.position.line, finding.position.column
        codes = f" ({', '.join(finding.codes)})" if finding.codes else ""
        place = listing.visible(f"{finding.file}:{line}:{column}")
        level = f"{_COLOURS[finding.level]}{finding.level}{_END}"
        yield f"{_BOLD}{place}{_END}  {level}  {finding.rule}{codes}  {listing.visible(finding.message)}"
        yield from _excerpt(finding)
        rule = rule_called(finding.rule)
        if rule and rule.name not in told:
            told.add(rule.name)
            yield from _wrapped(f"why: {rule.reason}", width)
        if finding.hint:
            yield from _wrapped(f"try: {finding.hint}", width)
        yield ""


def _excerpt(finding: Finding) -> Iterator[str]:
    """The line, or the part of a long one around the place, and a caret under the place."""
    start, part = _part(finding)
    shown = listing.visible(part.expandtabs(1))
    margin = f"{finding.position.line:>5} | "
    yield f"{_DIM}{margin}{_END}{shown}"
    before = finding.position.column - 1 - start
    if before <= len(part):
        width = len(listing.visible(part[:before].expandtabs(1)))
        yield f"{_DIM}{' ' * (len(margin) - 2)}| {_END}{' ' * width}^"


def _part(finding: Finding) -> tuple[int, str]:
    """Where the part of the line begins that is shown, and that part."""
    long = len(finding.line) > _WIDEST
    start = max(0, min(finding.position.column - _WIDEST // 2, len(finding.line) - _WIDEST)) if long else 0
    return start, finding.line[start : start + _WIDEST]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        listing.visible(text),
        width,
        initial_indent="      ",
        subsequent_indent="           ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _summary(found: list[Finding], counted: list[Finding], level: str, read: int) -> str:
    where = "1 recipe" if read == 1 else f"{read} recipes"
    counts = [(name, sum(finding.level == name for finding in counted)) for name in LEVELS]
    words = {"error": "errors", "warning": "warnings", "info": "pieces of advice"}
    single = {"error": "error", "warning": "warning", "info": "piece of advice"}
    said = ", ".join(f"{count} {single[name] if count == 1 else words[name]}" for name, count in counts if count)
    hidden = len(found) - len(counted)
    lower = LEVELS[-1]
    more = f" ({hidden} more below '{level}': --level {lower})" if hidden else ""
    return f"{said or 'nothing found'} in {where}{more}"


def _row(finding: Finding) -> dict[str, Any]:
    rule = rule_called(finding.rule)
    return {
        "File": finding.file,
        "Line": finding.position.line,
        "Column": finding.position.column,
        "Level": finding.level,
        "Rule": finding.rule,
        "Codes": list(finding.codes),
        "Message": finding.message,
        "Hint": finding.hint,
        "Reason": rule.reason if rule else "",
        "Text": _part(finding)[1],
    }


def show_rules(given: Given) -> int:
    """Print every rule: as a table, or as rows for programs."""
    rows = [_rule_row(family, rule) for family, rules in FAMILIES for rule in rules]
    columns = (("RULE", "Name"), ("CODES", "Codes"), ("LEVEL", "Level"), ("WHAT IS WRONG", "Sentence"))
    listing.show(rows, columns, given.text("format"))
    return 0


def _rule_row(family: str, rule: Rule) -> dict[str, Any]:
    return {
        "Name": rule.name,
        "Codes": list(rule.codes),
        "Level": rule.level,
        "Family": family,
        "Sentence": rule.sentence,
        "Reason": rule.reason,
        "Optional": rule.optional,
    }


def explain(names: tuple[str, ...]) -> int:
    """Print what rules look for and why."""
    for name in names:
        require_rule(name)
    for name in names:
        rule = rule_called(name)
        assert rule is not None
        codes = f" ({', '.join(rule.codes)})" if rule.codes else ""
        optional = f"; only with --enable {rule.name}" if rule.optional else ""
        print(f"{rule.name}{codes}, {rule.level}{optional}")
        for line in (f"what: {rule.sentence}", f"why: {rule.reason}", f"off: # wherry lint ignore={rule.name}"):
            print("\n".join(textwrap.wrap(line, 100, initial_indent="  ", subsequent_indent="       ")))
    return 0


def _plain(line: str) -> str:
    for code in (_BOLD, _DIM, _END, *_COLOURS.values()):
        line = line.replace(code, "")
    return line
