"""``wherry record``: what was executed."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT, NO_TRUNC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.recordrows import record_rows

    return listing.show_ids_or(record_rows(given), _COLUMNS, given)


_FIELDS = ("ID", "Started", "Image", "Command", "Status", "Wall", "CPU", "Memory")
_COLUMNS = tuple((field.upper(), field) for field in _FIELDS)

VERB = Verb(
    "record",
    "show what was executed, how it ended, what it used",
    _run,
    options=(
        Option(("-n", "--last"), "the last N executions (default 20; 0: all)", "number", "N"),
        Option(("--node",), "only those of this node", "text", "NAME"),
        Option(("-q", "--quiet"), "print only the ids"),
        NO_TRUNC,
        FORMAT,
    ),
    arguments=(Argument("ID", required=False),),
    examples=(
        ("wherry record", "the last twenty"),
        ("wherry record --format json 3f1c2a77b0de", "all that is known of one"),
        ("wherry record -n 0 --format json | jq .End.usage.max_rss_kb", "memory of all executions"),
    ),
    details="Each execution leaves a record under $XDG_STATE_HOME/wherry/records, one file a node and day.",
)
