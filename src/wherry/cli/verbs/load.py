"""``wherry load``: images out of files."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.archives import load

    return load(given)


VERB = Verb(
    "load",
    "take an image out of a file",
    _run,
    options=(
        Option(("-i", "--input"), "the file; default: standard input", "text", "FILE", complete="file"),
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("FILE", required=False, complete="file"),),
    examples=(
        ("wherry load -i image.tar", "a file made by 'docker save', 'podman save' or 'wherry save'"),
        ("ssh host docker save lab | wherry load", "from standard input"),
        ("wherry load ./layout", "a folder in the OCI layout"),
    ),
    details="What the file is (docker-archive, oci-archive, OCI layout) is seen from its content, not from its name.",
)
