"""The context of a build: a directory, or what is fetched and unpacked to one."""

from __future__ import annotations

import os
import subprocess
from typing import IO

import msgspec

from wherry.base.errors import NotFound
from wherry.base.progress import Progress, silent

__all__ = ["Context", "commit_time", "open_context"]


class Context(msgspec.Struct, frozen=True):
    """``root`` is a directory of this machine; ``name`` what messages call it. ``commit_time`` (seconds) is that of
    the commit that is checked out there, ``recipe`` the text where it was no context but a recipe itself."""

    name: str
    root: str
    commit_time: int | None = None
    recipe: bytes | None = None


def open_context(spec: str, *, work: str, stdin: IO[bytes] | None = None, progress: Progress = silent) -> Context:
    """What ``spec`` names; what is fetched for it goes below the folder ``work``.

    Raises :class:`NotFound`.
    """
    if os.path.isdir(spec):
        return Context(spec, os.path.abspath(spec))
    raise NotFound(f"there is no context '{spec}'", hint="name a directory, a tar, a git URL, or '-'")


def commit_time(path: str) -> int | None:
    """The time of the commit that is checked out in the directory ``path``; None where there is no repository."""
    here = os.path.abspath(path)
    while not os.path.lexists(f"{here}/.git"):
        here, last = os.path.dirname(here), here
        if here == last:
            return None
    command = ["git", "-C", path, "log", "-1", "--format=%ct", "--no-show-signature"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else None
