"""``wherry ps``: which containers there are."""

from __future__ import annotations

from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.options import FORMAT, NO_TRUNC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.containerrows import container_rows

    return listing.show_ids_or(container_rows(given), _COLUMNS, given)


_COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
)

VERB = Verb(
    "ps",
    "list containers",
    _run,
    options=(
        Option(("-a", "--all"), "also those that do not run"),
        Option(("-q", "--quiet"), "print only the ids"),
        Option(("-l", "--latest"), "only the one created last, whether it runs or not"),
        Option(("-n", "--last"), "only the N created last, whether they run or not", "number", "N"),
        Option(
            ("-f", "--filter"),
            "only those that fit: name, id, label, status, exited, ancestor, node",
            "many",
            "KEY=VALUE",
        ),
        NO_TRUNC,
        FORMAT,
    ),
    examples=(
        ("wherry ps", "those that run on this node"),
        ("wherry ps -a", "also those that ended and are kept"),
        ("wherry ps -aq --filter label=study=7", "ids of a study's containers"),
        ("wherry ps --format '{{.Names}}\\t{{.Status}}'", "chosen fields"),
    ),
)
