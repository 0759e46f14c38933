"""``wherry rm``: remove containers."""

from __future__ import annotations

from functools import partial

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each

    force = given.flag("force")
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee_each

        return foresee_each(given.words, partial(containers.plan_rm, force=force), given.text("format"))

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
        *CHANGES,
    ),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry rm lab", "its writable layer and log go too"), ("wherry rm -f $(wherry ps -aq)", "all of them")),
)
