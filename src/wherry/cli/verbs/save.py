"""``wherry save``: images into a file."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.archives import save

    return save(given)


VERB = Verb(
    "save",
    "write an image into a file",
    _run,
    options=(
        Option(("-o", "--output"), "the file; default: standard output", "text", "FILE", complete="file"),
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("IMAGE", complete="image"),),
    examples=(
        ("wherry save -o image.tar debian:12", "a file that 'docker load' and 'wherry load' read"),
        ("wherry save lab:1 | ssh host docker load", "to standard output"),
    ),
)
