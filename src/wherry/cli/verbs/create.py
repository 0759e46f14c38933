"""``wherry create``: a container that is kept, to be started later."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import START

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import launching

    return launching.start("create", given)


VERB = Verb(
    "create",
    "make a container and keep it, without starting it",
    _run,
    options=(Option(("--rm",), "remove the container when it ends"), *START),
    arguments=(
        Argument("IMAGE", required=False, complete="image"),
        Argument("COMMAND", required=False, many=True, complete="file"),
    ),
    examples=(
        ("wherry create --name lab debian:12 sleep 600", "make it, and print its id"),
        ("wherry start lab", "start it"),
    ),
    details="Options end at the image; all after it is the command.",
    stops=True,
)
