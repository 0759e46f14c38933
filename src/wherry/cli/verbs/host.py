"""``wherry host``: the facts about this machine."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.hostrows import show_host

    return show_host(given)


VERB = Verb(
    "host",
    "show what is known of this machine",
    _run,
    options=(FORMAT,),
    arguments=(Argument("FACT", required=False),),
    examples=(
        ("wherry host", "all facts, one a line"),
        ("wherry host processor.level", "one fact, for scripts"),
        ("wherry host --format json", "for programs"),
    ),
    details=(
        "Facts are found by doing, in child processes, and kept until the machine boots; what failed is tried again "
        "after five minutes. 'wherry doctor' says what they mean."
    ),
)
