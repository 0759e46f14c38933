"""``wherry push``: send an image to a registry."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import AUTHFILE, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.moving import shown
    from wherry.cli.naming import reference_to_name
    from wherry.containers import World
    from wherry.image import push
    from wherry.registry import connect

    world, quiet = World(), given.flag("quiet")
    reference = reference_to_name(world, given.word)
    authfile = given.text("authfile") or ""
    with (
        shown(quiet) as progress,
        connect(world.settings, world.outside, auth_file=authfile, progress=progress) as registry,
    ):
        digest = push(world.store, registry, reference, progress=progress)
    print(digest if quiet else f"{reference.familiar}: {digest}")
    return 0


VERB = Verb(
    "push",
    "send an image to a registry",
    _run,
    options=(AUTHFILE, QUIET),
    arguments=(Argument("IMAGE", complete="image"),),
    examples=(
        ("wherry tag analysis:1 registry.example.org/team/analysis:1", "give the image the registry's name"),
        ("wherry push registry.example.org/team/analysis:1", "send it; layers that are there are not sent again"),
    ),
)
