"""``wherry tag``: give an image another name."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.tagging import tag

    tag(given.words[0], given.words[1])
    return 0


VERB = Verb(
    "tag",
    "give an image another name",
    _run,
    arguments=(Argument("IMAGE", complete="image"), Argument("NEW-NAME", complete="image")),
    examples=(("wherry tag debian:12 registry.example.org/team/base:1", "name it for a push"),),
)
