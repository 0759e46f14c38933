"""``wherry exec``: a command in a container that runs."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import EXEC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import launching

    return launching.enter(given)


VERB = Verb(
    "exec",
    "run a command in a running container",
    _run,
    options=EXEC,
    arguments=(Argument("CONTAINER", complete="container"), Argument("COMMAND", many=True, complete="file")),
    examples=(
        ("wherry exec -it server bash", "a shell in the container named server"),
        ("wherry exec -e DEBUG=1 server python3 check.py", "a command with a variable of its own"),
    ),
    details="Options end at the container; all after it is the command.",
    stops=True,
)
