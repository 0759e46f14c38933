"""``wherry rm``: remove containers."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each

    force = given.flag("force")

    def remove(name: str) -> str | None:
        return "" if containers.rm(name, force=force) is None else None

    return each(given.words, remove)


VERB = Verb(
    "rm",
    "remove containers",
    _run,
    options=(
        Option(("-f", "--force"), "stop a running one first, and ignore a missing one"),
        Option(("-v", "--volumes"), "accepted for Docker's sake: there are no volumes"),
    ),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry rm lab", "its writable layer and log go too"), ("wherry rm -f $(wherry ps -aq)", "all of them")),
)
