"""``wherry inspect``: all that is known of images and containers."""

from __future__ import annotations

import msgspec

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import inspecting

    if given.flag("env"):
        return inspecting.show_environment(given)
    return inspecting.show(given)


VERB = Verb(
    "inspect",
    "show all that is known of images and containers",
    _run,
    options=(
        Option(("--env",), "show each variable of the environment and where it comes from"),
        Option(("--type",), "look only for this", "text", "image|container", ("image", "container")),
        msgspec.structs.replace(FORMAT, names=("-f", *FORMAT.names)),
    ),
    arguments=(Argument("NAME", many=True, complete="image|container"),),
    examples=(
        ("wherry inspect debian:12", "Docker's JSON, with Wherry's additions under 'Wherry'"),
        ("wherry inspect --format '{{json .Config.Env}}' debian:12", "one part of it"),
        ("wherry inspect --env debian:12", "what a command in it would find in its environment, and why"),
        ("wherry inspect --format '{{.State.ExitCode}}' lab", "how a container ended"),
    ),
)
