"""``wherry logs``: what a container printed."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.logview import show_log

    return show_log(given)


VERB = Verb(
    "logs",
    "show what a container with a name, or in the background, printed",
    _run,
    options=(
        Option(("-f", "--follow"), "go on until the container ends"),
        Option(("-n", "--tail"), "only the last N lines, or all", "text", "N|all"),
        Option(("--since",), "only lines since then, as 2019-04-10T13:08:09Z or 10m", "text", "TIME"),
        Option(("--until",), "only lines up to then, as for --since", "text", "TIME"),
        Option(("-t", "--timestamps"), "show when each line was printed"),
    ),
    arguments=(Argument("CONTAINER", complete="container"),),
    examples=(("wherry logs server", "all of it"), ("wherry logs -f --tail 20 server", "the end, and what comes")),
)
