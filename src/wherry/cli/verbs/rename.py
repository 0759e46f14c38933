"""``wherry rename``: give a container another name."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers

    containers.rename(given.words[0], given.words[1])
    return 0


VERB = Verb(
    "rename",
    "give a container another name",
    _run,
    arguments=(Argument("CONTAINER", complete="container"), Argument("NEW-NAME")),
    examples=(("wherry rename lab lab-2019", "the old name is free again"),),
)
