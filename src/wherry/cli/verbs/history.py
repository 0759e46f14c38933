"""``wherry history``: what each layer of an image costs."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT, NO_TRUNC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.imagerows import history_rows
    from wherry.containers import World

    rows = history_rows(World(), given.word, whole=given.flag("no_trunc"))
    columns = (("LAYER", "ID"), ("CREATED", "CreatedSince"), ("CREATED BY", "CreatedBy"), ("SIZE", "Size"))
    return listing.show_ids_or(rows, (*columns, ("COMMENT", "Comment")), given)


VERB = Verb(
    "history",
    "show what each layer of an image costs",
    _run,
    options=(Option(("-q", "--quiet"), "print only the layers' ids"), NO_TRUNC, FORMAT),
    arguments=(Argument("IMAGE", complete="image"),),
    examples=(
        ("wherry history debian:12", "the layers from top to bottom: command and unpacked size"),
        ("wherry history --no-trunc --format json debian:12", "for programs"),
    ),
)
