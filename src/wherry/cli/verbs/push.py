"""``wherry push``: send an image to a registry."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import AUTHFILE, CHANGES, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.moving import shown

    quiet, auth_file = given.flag("quiet"), given.text("authfile") or ""
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_push(given.word, auth_file=auth_file), given.text("format"))
    with shown(quiet) as progress:
        reference, digest = containers.push(given.word, auth_file=auth_file, progress=progress)
    print(digest if quiet else f"{reference.familiar}: {digest}")
    return 0


VERB = Verb(
    "push",
    "send an image to a registry",
    _run,
    options=(AUTHFILE, QUIET, *CHANGES),
    arguments=(Argument("IMAGE", complete="image"),),
    examples=(
        ("wherry tag analysis:1 registry.example.org/team/analysis:1", "give the image the registry's name"),
        ("wherry push registry.example.org/team/analysis:1", "send it; layers that are there are not sent again"),
    ),
)
