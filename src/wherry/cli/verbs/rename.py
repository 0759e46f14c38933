"""``wherry rename``: give a container another name."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers

    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_rename(given.words[0], given.words[1]), given.text("format"))
    containers.rename(given.words[0], given.words[1])
    return 0


VERB = Verb(
    "rename",
    "give a container another name",
    _run,
    options=CHANGES,
    arguments=(Argument("CONTAINER", complete="container"), Argument("NEW-NAME")),
    examples=(("wherry rename lab lab-2019", "the old name is free again"),),
)
