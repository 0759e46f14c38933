"""Which rule a file falls under: a walk asks one expression for each name. Expressions are made when a directory first
needs them: to make all takes longer than to walk through a small layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from wherry.build.normalise.rule import Rule

__all__ = ["Matcher", "NameMatch"]

_MAGIC = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[(!?)([^\]]+)\]")


class NameMatch:
    """The rules that count in one directory; the first that fits a name wins."""

    __slots__ = ("_expression", "_rules")

    def __init__(self, patterns: Sequence[tuple[str, Rule]]) -> None:
        self._rules = [rule for _, rule in patterns]
        self._expression = re.compile("|".join(f"({_name(name)})" for name, _ in patterns), re.DOTALL)

    def __call__(self, name: str) -> Rule | None:
        if not self._rules:
            return None
        found = self._expression.fullmatch(name)
        return self._rules[(found.lastindex or 1) - 1] if found else None


class Matcher:
    """Answers for directories, by their path below the root (empty: the root)."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._named: dict[str, list[int]] = {}
        self._anywhere: list[int] = []
        self._wild: list[tuple[frozenset[str], str, int]] = []
        self._patterns: list[tuple[str, Rule]] = []
        self._made: dict[tuple[int, ...], NameMatch] = {}
        for rule in rules:
            for path in rule.paths:
                self._add(path, rule)

    def of(self, directory: str) -> NameMatch:
        """The rules for names in ``directory``."""
        parts = set(directory.split("/"))
        wild = [
            number
            for literal, pattern, number in self._wild
            if literal <= parts and _expression(pattern).fullmatch(f"{directory}/")
        ]
        numbers = tuple(sorted([*self._named.get(directory, ()), *wild, *self._anywhere]))
        if numbers not in self._made:
            self._made[numbers] = NameMatch([self._patterns[number] for number in numbers])
        return self._made[numbers]

    def _add(self, path: str, rule: Rule) -> None:
        directory, _, name = path.rpartition("/")
        if name == "**":
            directory, name = path, "*"
        number = len(self._patterns)
        self._patterns.append((name, rule))
        if directory == "**":
            self._anywhere.append(number)
        elif _MAGIC.search(directory):
            literal = frozenset(part for part in directory.split("/") if not _MAGIC.search(part))
            self._wild.append((literal, directory, number))
        else:
            self._named.setdefault(directory, []).append(number)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """For a directory's path with a slash at its end."""
    parts = ("(?:[^/]+/)*" if part == "**" else f"{_name(part)}/" for part in pattern.split("/"))
    return re.compile("".join(parts), re.DOTALL)


def _name(pattern: str) -> str:
    """An expression without groups for a name."""
    parts, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        group = _CLASS.match(pattern, at)
        if group:
            parts.append(f"[{'^' if group[1] else ''}{re.escape(group[2]).replace(chr(92) + '-', '-')}]")
            at = group.end()
            continue
        parts.append({"*": "[^/]*", "?": "[^/]"}.get(letter) or re.escape(letter))
        at += 1
    return "".join(parts)
