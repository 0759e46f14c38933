"""``wherry start``: start containers that are kept."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import PLAN

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.base.errors import UsageError
    from wherry.cli.several import each

    attach, interactive = given.flag("attach"), given.flag("interactive")
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import show_plan

        for name in given.words:
            show_plan(containers.preview_start(name, attach=attach, interactive=interactive), (), given.text("format"))
        return 0
    if not (attach or interactive):
        return each(given.words, _in_background)
    if len(given.words) > 1:
        raise UsageError("only one container can be attached to", hint=f"wherry start -a {given.word}")
    return containers.start(given.word, attach=True, interactive=interactive).execute()


def _in_background(name: str) -> None:
    """The launcher would print the id; here the name is shown, as Docker does."""
    from wherry import containers

    containers.start(name).begin_detached()


VERB = Verb(
    "start",
    "start containers that are kept",
    _run,
    options=(
        Option(("-a", "--attach"), "wait, show the output, pass signals on, and end as the command does"),
        Option(("-i", "--interactive"), "pass standard input on too"),
        *PLAN,
    ),
    arguments=(Argument("CONTAINER", many=True, complete="container"),),
    examples=(("wherry start lab", "in the background"), ("wherry start -ai lab", "in the foreground, with input")),
)
