"""``run``, ``shell``, ``create`` and ``exec``: from what was given to a use case that becomes the launcher."""

from __future__ import annotations

import os

from wherry import containers
from wherry.cli.grammar import Given
from wherry.cli.start import environment, run_options
from wherry.launch.options import ExecOptions

__all__ = ["enter", "start"]


def start(verb: str, given: Given) -> int:
    """Start (or only create, or only plan) a container; does not return from a start in the foreground."""
    world = containers.World()
    options = run_options(given, world.outside, shell=verb == "shell")
    from wherry.cli.moving import shown

    with shown(False) as progress:
        if verb == "create":
            print(containers.create(options, world=world, progress=progress))
            return 0
        if given.flag("dry_run"):
            return 0
        return containers.run(options, world=world, prefix=_prefix(verb, given), progress=progress)


def enter(given: Given) -> int:
    """Run a command in a running container."""
    words = given.words[1:] if given.words[:1] == ("",) else given.words
    world = containers.World()
    options = ExecOptions(
        container=words[0],
        command=words[1:],
        env=environment(given, world.outside),
        workdir=given.text("workdir"),
        user=given.text("user"),
        interactive=given.flag("interactive"),
        terminal=given.flag("tty"),
        detach=given.flag("detach"),
    )
    return containers.exec_(options, world=world)


def _prefix(verb: str, given: Given) -> tuple[str, ...]:
    """The command line's beginning, under which a plan is saved: face, verb, and the words up to the image."""
    return (os.environ.get("WHERRY_FACE", "wherry"), verb, *given.prefix) if given.prefix else ()
