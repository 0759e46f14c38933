"""Errors in the words that scripts look for, and Docker's statuses: 125 from ``run``, 1 from other verbs."""

from __future__ import annotations

import os
import re
import sys

from wherry.base.errors import (
    CannotExecute,
    CommandFailed,
    CommandNotFound,
    Conflict,
    Interrupted,
    NotFound,
    UsageError,
    WherryError,
)
from wherry.shims.docker.call import Call

__all__ = ["BadFlag", "Missing", "report"]

_STARTING = ("run", "create", "container run", "container create")
_BUILDING = ("build", "image build", "buildx build", "buildx b", "builder build", "builder b")

_OWN = re.compile(r"\bwherry(?= (?:exec|images|logs|ps|pull|push|rename|rm|rmi|run|start|stop|tag)\b)")
"""Verbs of Wherry's that have the same name and meaning here."""


class BadFlag(UsageError):
    """An option that is unknown, or has no value that can be; of any verb it gives 125."""


class Missing(NotFound):
    """There is no such thing; ``kind`` is ``object``, ``container``, ``image``, ``volume`` or ``network``."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        super().__init__(f"network {name} not found" if kind == "network" else f"No such {kind}: {name}", hint=hint)
        self.kind = kind
        self.name = name


def report(call: Call, error: WherryError) -> int:
    """Say it on standard error as the peer would begin it; return the status."""
    if isinstance(error, CommandFailed):
        return _step_failed(call, error)
    text = _podmans(call, error) if call.is_podman and isinstance(error, Missing) else str(error)
    hint = f"\n  next: {_OWN.sub(call.face, error.hint)}" if error.hint else ""
    sys.stdout.flush()
    shown = "".join(f"\n  {line}" for line in error.shown)
    sys.stderr.write(f"{_beginning(call, error)}{text}{shown}{hint}\n")
    if isinstance(error, CannotExecute | CommandNotFound | Interrupted):
        return error.exit_code
    if isinstance(error, BadFlag):
        return 125
    if call.is_podman:
        return _podmans_status(call, error)
    return 125 if call.verb in _STARTING else 1


def _step_failed(call: Call, error: CommandFailed) -> int:
    """A build whose step failed: podman ends as its command, and so does Docker's older builder; BuildKit with 1."""
    from wherry.cli.listing import visible

    what, hint = visible(error.what), error.hint.replace("--debug-on-failure", "'wherry build --debug-on-failure'")
    if call.is_podman:
        text = f"Error: building: {what}: exit status {error.status}"
    else:
        text = f"ERROR: failed to solve: {what}: did not complete successfully: exit code: {error.status}"
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n  next: {hint}\n" if hint else f"{text}\n")
    is_older = os.environ.get("DOCKER_BUILDKIT") in ("0", "false")
    return error.status if call.is_podman or is_older else 1


def _podmans_status(call: Call, error: WherryError) -> int:
    """125 where podman itself fails; of what is removed 1 says that it was not there, 2 that it is in use."""
    if call.verb.split(" ")[-1] in ("rm", "rmi", "remove"):
        return 1 if isinstance(error, NotFound) else 2 if isinstance(error, Conflict) else 125
    return 125


def _podmans(call: Call, error: Missing) -> str:
    """The same in podman's words, which scripts look for."""
    text = {
        "container": f'no container with name or ID "{error.name}" found: no such container',
        "image": f"{error.name}: image not known",
        "volume": f'no volume with name "{error.name}" found: no such volume',
        "network": f"unable to find network with name or ID {error.name}: network not found",
    }.get(error.kind, f'no such object: "{error.name}"')
    return f"inspecting object: {text}" if call.verb.endswith("inspect") else text


def _beginning(call: Call, error: WherryError) -> str:
    if call.is_podman:
        return "Error: "
    if call.verb in _BUILDING:
        return "ERROR: " if isinstance(error, UsageError) else "ERROR: failed to solve: "
    if isinstance(error, Missing) and error.kind == "object":
        return "Error: "
    if isinstance(error, UsageError):
        return f"{call.face}: "
    return f"{call.face}: Error response from daemon: " if call.verb in _STARTING else "Error response from daemon: "
