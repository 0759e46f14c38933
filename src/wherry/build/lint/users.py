"""Rules on users: who runs in the container, and how users are made."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.build.dockerfile.instructions import User
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View, literal

__all__ = ["RULES"]


def _root(view: View) -> Iterator[Found]:
    if not view.stages:
        return
    last = view.stages[-1]
    users = [user for stage in reversed(list(last.lineage())) for user in stage.of(User)]
    hint = "RUN useradd --create-home NAME, and USER NAME after the last step that needs root"
    if not users:
        message = "no USER is named: programs run as root, unless the base image says otherwise"
        yield Found(last.source.position, message, hint, "")
        return
    name = literal(users[-1].user)
    if name is not None and name.partition(":")[0] in ("root", "0"):
        yield Found(users[-1].position, "the last USER is root", hint)


def _sudo(view: View) -> Iterator[Found]:
    for command in view.commands:
        if "sudo" in command.call.wrappers or command.call.name == "sudo":
            yield Found(command.position, "'sudo' is used in a step", "USER root before the step, USER NAME after it")


def _high_id(view: View) -> Iterator[Found]:
    for command in view.commands:
        if command.call.name != "useradd":
            continue
        arguments = command.call.arguments
        spared = any(
            word == "--no-log-init" or (word[:1] == "-" and word[:2] != "--" and "l" in word) for word in arguments
        )
        for index, word in enumerate(arguments):
            value = (
                word.partition("=")[2]
                if word.startswith("--uid=")
                else arguments[index + 1]
                if word in ("-u", "--uid") and index + 1 < len(arguments)
                else ""
            )
            if value.isdigit() and int(value) > 99999 and not spared:
                yield Found(
                    command.position, f"useradd with the id {value} writes a huge /var/log/lastlog", "useradd -l ..."
                )


RULES = (
    Rule(
        "root-user",
        ("DL3002",),
        "warning",
        "programs in the container run as root",
        "with docker a fault in them is a fault of root's, and files that they write belong to root; Wherry itself "
        "runs every container as you",
        _root,
    ),
    Rule(
        "sudo",
        ("DL3004",),
        "error",
        "'sudo' is used in a step",
        "steps run as USER says; sudo adds a program with set-id bits to the image, and hides its environment",
        _sudo,
    ),
    Rule(
        "high-user-id",
        ("DL3046",),
        "warning",
        "a user with a high id is made with useradd's log",
        "/var/log/lastlog is as long as the highest id, and engines that know no sparse files store all of it",
        _high_id,
    ),
)
