"""``wherry df``: what the store holds and what could be freed."""

from __future__ import annotations

from wherry.cli.grammar import Given, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.usage import show_usage

    return show_usage(given.text("format"))


VERB = Verb(
    "df",
    "show what the store holds and what could be freed",
    _run,
    options=(FORMAT,),
    examples=(("wherry df", "sizes, free space and quota"), ("wherry df --format json", "for programs")),
)
