"""``wherry wait``: wait until containers end."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each

    return each(given.words, lambda name: str(containers.wait(name)))


VERB = Verb(
    "wait",
    "wait until containers end, and print their exit statuses",
    _run,
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry wait lab", "prints 0 when its command succeeded"),),
)
