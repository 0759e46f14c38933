"""``wherry diff``: what changed in a container, or between two images."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.differing import difference_rows

    rows = difference_rows(given.words)
    if given.text("format") in (None, "table"):
        for row in rows:
            print(row["Kind"], listing.visible(row["Path"]))
        return 0
    listing.show(rows, (("KIND", "Kind"), ("PATH", "Path")), given.text("format"))
    return 0


VERB = Verb(
    "diff",
    "show what changed in a container, or between two images",
    _run,
    options=(FORMAT,),
    arguments=(
        Argument("CONTAINER|IMAGE", complete="container|image"),
        Argument("IMAGE", required=False, complete="image"),
    ),
    examples=(
        ("wherry diff lab", "paths added (A), changed (C) and deleted (D) in the container"),
        ("wherry diff debian:12 analysis:1", "what the second image has that the first has not, and the other way"),
    ),
)
