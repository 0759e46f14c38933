"""``wherry expose``: an image's programs as commands of the host."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN, FORMAT, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.exposing import expose

    return expose(given)


VERB = Verb(
    "expose",
    "make small commands that run in an image as if they were installed here",
    _run,
    options=(
        Option(("--dir",), "the folder of the commands (default: ~/.local/bin)", "text", "DIR", complete="directory"),
        Option(
            ("--module",),
            "write modulefiles for Lmod and Environment Modules to DIR; without --dir the commands are put below it",
            "text",
            "DIR",
            complete="directory",
        ),
        Option(
            ("--module-name",), "what the module is called (default: the image's name and tag)", "text", "NAME/VERSION"
        ),
        Option(("--as",), "a command by the name NAME, that runs COMMAND in the image", "many", "NAME=COMMAND"),
        Option(("-a", "--all"), "all programs of the image's PATH, but those of the system"),
        Option(("-v", "--volume"), "bind the host's SRC at DST for these commands", "many", "SRC:DST[:ro]"),
        Option(
            ("-e", "--env"), "set NAME to VALUE for these commands; NAME alone: the caller's", "many", "NAME[=VALUE]"
        ),
        Option(("-l", "--list"), "list the commands that there are"),
        Option(("--update",), "let commands run what their images' names lead to now"),
        Option(("--remove",), "remove commands"),
        QUIET,
        DRY_RUN,
        FORMAT,
    ),
    arguments=(
        Argument("IMAGE", required=False, complete="image"),
        Argument("COMMAND", required=False, many=True),
    ),
    examples=(
        ("wherry expose python:3.12 python3 pip", "'python3' in your shell is that image's now"),
        ("wherry expose --as py312=python3 python:3.12", "by another name"),
        (
            "wherry expose --all --module /sw/modules quay.io/team/montage:6.0",
            "'module load montage/6.0' for everybody",
        ),
        ("wherry expose --list", "which there are, and what they run"),
        ("wherry expose --update", "all of them, after asking the registry"),
        ("wherry expose --remove py312", "only what 'wherry expose' made is ever removed"),
    ),
    details=(
        "A command runs exactly the image that its name led to when it was made. It sees your files at their places, "
        "your directory and environment (but not PATH, LD_*, PYTHON* and the like), your terminal; see 'wherry run "
        "--installed'. With --update, --remove and --list all words are names of commands; --dir says where they are."
    ),
)
