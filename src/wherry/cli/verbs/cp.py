"""``wherry cp``: copy files into and out of a container."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.copying import copy

    return copy(given)


VERB = Verb(
    "cp",
    "copy files into and out of a container",
    _run,
    options=CHANGES,
    arguments=(
        Argument("SOURCE", complete="container|file"),
        Argument("TARGET", complete="container|file"),
    ),
    examples=(
        ("wherry cp lab:/results ./results", "out of the container, running or not"),
        ("wherry cp data.csv lab:/tmp/", "into it"),
        ("wherry cp lab:/results - | tar -t", "as a tar archive on standard output"),
        ("tar -cz data | wherry cp - lab:/work", "a tar archive from standard input, into a directory"),
    ),
    details=(
        "One of both is CONTAINER:PATH. A local path with a colon is written ./a:b, and '-' is a tar archive, "
        "to standard output or from standard input (there also one compressed with gzip, bzip2 or xz)."
    ),
)
