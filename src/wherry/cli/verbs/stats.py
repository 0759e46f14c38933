"""``wherry stats``: what running containers use."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT, NO_TRUNC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.usagerows import show_stats

    return show_stats(given)


VERB = Verb(
    "stats",
    "show what running containers use",
    _run,
    options=(
        Option(("--no-stream",), "show it once, not again each second"),
        NO_TRUNC,
        FORMAT,
    ),
    arguments=(Argument("CONTAINER", required=False, many=True, complete="container"),),
    examples=(
        ("wherry stats", "all containers of yours on this node, until Ctrl-C"),
        ("wherry stats --no-stream --format json web", "one look at one, for a program"),
        ("wherry stats --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'", "two columns"),
    ),
    details=(
        "CPU % is of one processor: 200% are two. MEM USAGE is what its control group holds, else its processes' share "
        "of what they have in memory. NET I/O is not known, for the network is the host's."
    ),
)
