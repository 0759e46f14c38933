"""``wherry version``: which Wherry this is, and what it runs on."""

from __future__ import annotations

from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.versions import show_version

    return show_version(given)


VERB = Verb(
    "version",
    "show which Wherry this is, and what this machine allows",
    _run,
    options=(Option(("--short",), "print only the version"), FORMAT),
    examples=(("wherry version", "with Python, kernel and what a user may do here, as a bug report needs it"),),
)
