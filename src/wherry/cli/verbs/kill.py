"""``wherry kill``: send containers a signal."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each
    from wherry.cli.signals import signal_name

    signal = signal_name(given.text("signal") or "KILL")
    return each(given.words, lambda name: containers.kill(name, signal=signal))


VERB = Verb(
    "kill",
    "send containers a signal",
    _run,
    options=(Option(("-s", "--signal"), "the signal (default: KILL)", "text", "SIGNAL"),),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry kill lab", "end it at once"), ("wherry kill -s USR1 solver", "ask a code for a checkpoint")),
)
