"""Reading a verb's words by its table, and telling what is wrong with them in the peer's name."""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given, Verb
from wherry.cli.parse import NotUnderstood, parse

__all__ = ["read"]


def read(face: str, verb: Verb, words: list[str]) -> Given:
    """What ``words`` say; raises :class:`UsageError` for an unknown option or a wrong number of words."""
    try:
        given = parse(verb, words)
    except NotUnderstood as error:
        what = f"'{face} {verb.name}' has no option '{error.option}'"
        if not error.option:
            what = f"'{face} {verb.name}': an option lacks its value, or has one of a wrong form"
        raise UsageError(what, hint=f"{face} help {verb.name}") from None
    missing = [argument.metavar for argument in verb.arguments if argument.required][len(given.words) :]
    if missing:
        raise UsageError(f"'{face} {verb.name}' needs {missing[0]}", hint=f"{face} help {verb.name}")
    if len(given.words) > len(verb.arguments) and not any(argument.many for argument in verb.arguments):
        raise UsageError(f"'{face} {verb.name}' does not take '{given.words[len(verb.arguments)]}'")
    return given
