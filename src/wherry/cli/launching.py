"""``run``, ``shell``, ``create`` and ``exec``: from what was given to a use case, and from there to the launcher."""

from __future__ import annotations

import os

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.cli.start import environment, run_options
from wherry.launch.options import ExecOptions, RunOptions

__all__ = ["enter", "start"]


def start(verb: str, given: Given) -> int:
    """Start, only create, or only plan a container; a start in the foreground does not return."""
    world = containers.World(make_store=not given.flag("dry_run"))
    options = run_options(given, world.outside, shell=verb == "shell")
    if given.flag("dry_run"):
        return _preview(verb, options, world, given.text("format"))
    if verb == "create":
        from wherry.cli.moving import shown

        with shown(False) as progress:
            print(containers.create(options, world=world, progress=progress))
        return 0
    from wherry.cli.becoming import become

    return become(options, world, _prefix(verb, given))


def enter(given: Given) -> int:
    """Run a command in a running container."""
    words = given.words[1:] if given.prefix[-1:] == ("--",) else given.words
    if len(words) < 2 or not words[0]:
        raise UsageError("'wherry exec' needs a CONTAINER and a COMMAND", hint="wherry exec CONTAINER COMMAND")
    dry_run = given.flag("dry_run")
    world = containers.World(make_store=not dry_run)
    command = words[2:] if words[1:2] == ("--",) else words[1:]
    options = ExecOptions(
        container=words[0],
        command=command,
        env=environment(given, world.outside),
        workdir=given.text("workdir"),
        user=given.text("user"),
        interactive=given.flag("interactive"),
        terminal=given.flag("tty"),
        detach=given.flag("detach"),
    )
    prepared = containers.prepare_exec(options, world=world)
    if dry_run:
        from wherry.cli.foreseeing import show_plan

        show_plan(prepared.plan, prepared.command, given.text("format"))
        return 0
    return prepared.execute()


def _preview(verb: str, options: RunOptions, world: containers.World, form: str | None) -> int:
    found = containers.preview(options, world=world, verb=verb)
    if found.plan is None:
        missing = f'{{"missing":"{found.missing}"}}' if form == "json" else f"would pull {found.missing} first"
        print(missing)
        return 0
    from wherry.cli.foreseeing import show_plan

    show_plan(found.plan, found.command, form)
    return 0


def _prefix(verb: str, given: Given) -> tuple[str, ...]:
    """The command line's beginning, under which a plan is saved: face, verb, and the words up to the image."""
    return (os.environ.get("WHERRY_FACE", "wherry"), verb, *given.prefix) if given.prefix else ()
