"""What a start needs of its caller, looked at before anything is kept: a terminal, a place for the id."""

from __future__ import annotations

import os

import msgspec

from wherry.base.errors import Conflict, UsageError, reason, remedy
from wherry.launch import RunOptions

__all__ = ["of_next_start", "require_terminal", "write_cidfile"]


def require_terminal(options: RunOptions, hint: str = "leave out -t when standard input is a pipe or a file") -> None:
    """Raise :class:`UsageError` where the launcher would refuse: a container kept for it would hold its name."""
    if (options.interactive or options.shell) and not options.detach and not _may_read(options):
        raise UsageError("the input device is not a TTY", hint=hint)


def of_next_start(options: RunOptions, *, attach: bool, interactive: bool) -> RunOptions:
    """Those of a container's next start. ``attach`` alone passes input on where it can, ``interactive`` insists."""
    reads = interactive or (attach and options.interactive and _may_read(options))
    found = msgspec.structs.replace(options, detach=not (attach or interactive), interactive=reads, cidfile=None)
    if interactive:
        require_terminal(found, "leave out -i, and only the output is shown")
    return found


def _may_read(options: RunOptions) -> bool:
    """Whether standard input can be the command's: where that has a terminal, it must be one, too."""
    return not options.terminal or os.isatty(0)


def write_cidfile(path: str, container_id: str) -> None:
    try:
        with open(path, "x") as file:
            file.write(container_id)
    except FileExistsError:
        raise Conflict(f"'{path}' exists", why="--cidfile names a file that is made anew", hint="remove it") from None
    except OSError as error:
        raise UsageError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None
