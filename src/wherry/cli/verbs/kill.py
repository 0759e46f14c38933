"""``wherry kill``: send containers a signal."""

from __future__ import annotations

from functools import partial

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.several import each

    signal = containers.signal_name(given.text("signal") or "KILL")
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee_each

        plan = partial(containers.plan_kill, signal=signal)
        return foresee_each(given.words, plan, given.text("format"))
    return each(given.words, lambda name: containers.kill(name, signal=signal))


VERB = Verb(
    "kill",
    "send containers a signal",
    _run,
    options=(Option(("-s", "--signal"), "the signal (default: KILL)", "text", "SIGNAL"), *CHANGES),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry kill lab", "end it at once"), ("wherry kill -s USR1 solver", "ask a code for a checkpoint")),
)
