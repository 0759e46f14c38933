"""``wherry stop``: ask containers to end."""

from __future__ import annotations

from functools import partial

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each

    chosen, given_seconds = given.text("signal"), given.number("time")
    signal = containers.signal_name(chosen) if chosen else None
    seconds = 10 if given_seconds is None else given_seconds
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee_each

        plan = partial(containers.plan_stop, seconds=seconds, signal=signal)
        return foresee_each(given.words, plan, given.text("format"))
    return each(given.words, partial(containers.stop, seconds=seconds, signal=signal))


VERB = Verb(
    "stop",
    "ask containers to end, then end them",
    _run,
    options=(
        Option(
            ("-t", "--timeout", "--time"), "seconds to wait before KILL (default 10; -1: for ever)", "number", "SECONDS"
        ),
        Option(("-s", "--signal"), "signal to send first (default: the container's stop signal)", "text", "SIGNAL"),
        *CHANGES,
    ),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry stop server", "TERM, and KILL after ten seconds"), ("wherry stop -t 60 db", "give it a minute")),
)
