"""``wherry tag``: give an image another name."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers

    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_tag(given.words[0], given.words[1]), given.text("format"))
    containers.tag(given.words[0], given.words[1])
    return 0


VERB = Verb(
    "tag",
    "give an image another name",
    _run,
    options=CHANGES,
    arguments=(Argument("IMAGE", complete="image"), Argument("NEW-NAME", complete="image")),
    examples=(("wherry tag debian:12 registry.example.org/team/base:1", "name it for a push"),),
)
