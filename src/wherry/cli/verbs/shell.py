"""``wherry shell``: look around in an image."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import START

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import launching

    return launching.start("shell", given)


VERB = Verb(
    "shell",
    "open a shell in a fresh container",
    _run,
    options=(Option(("--rm",), "remove the container when it ends, also one with --name"), *START),
    arguments=(
        Argument("IMAGE", required=False, complete="image"),
        Argument("COMMAND", required=False, many=True, complete="file"),
    ),
    examples=(
        ("wherry shell --here python:3.12", "a shell that sees the files of the current directory"),
        ("wherry shell -u root debian:12", "a shell that appears to be root's"),
    ),
    details="It is 'run -it' with the image's shell (bash where there is one, else sh) instead of its command.",
    stops=True,
)
