"""``wherry stop``: ask containers to end."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each
    from wherry.cli.signals import signal_name

    seconds = given.number("time")
    chosen = given.text("signal")
    signal = signal_name(chosen) if chosen else None
    return each(
        given.words, lambda name: containers.stop(name, seconds=10 if seconds is None else seconds, signal=signal)
    )


VERB = Verb(
    "stop",
    "ask containers to end, then end them",
    _run,
    options=(
        Option(
            ("-t", "--timeout", "--time"), "seconds to wait before KILL (default 10; -1: for ever)", "number", "SECONDS"
        ),
        Option(("-s", "--signal"), "signal to send first (default: the container's stop signal)", "text", "SIGNAL"),
    ),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry stop server", "TERM, and KILL after ten seconds"), ("wherry stop -t 60 db", "give it a minute")),
)
