"""``cp``: ``-`` stands for an archive in a standard stream, which must not be a terminal."""

from __future__ import annotations

import sys
from typing import IO

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.grammar import Given

__all__ = ["copy"]


def copy(given: Given) -> int:
    """Copy, or show what would be copied."""
    source, target = given.words
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_cp(source, target, stream=_stream(source)), given.text("format"))
    if target == "-" and sys.stdout.isatty():
        raise UsageError("an archive would be written to the terminal", hint=f"wherry cp {source} DIRECTORY")
    containers.cp(source, target, stream=_stream(source))
    return 0


def _stream(source: str) -> IO[bytes]:
    if source == "-" and sys.stdin.isatty():
        raise UsageError("an archive would be read from the terminal", hint="tar -c FILES | wherry cp - CONTAINER:PATH")
    return sys.stdin.buffer if source == "-" else sys.stdout.buffer
