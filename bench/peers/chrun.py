"""Charliecloud's ch-run on a plain directory (no pid namespace, no overlay: its default)."""

from __future__ import annotations

from collections.abc import Sequence

from measuring import Command
from workplace import Workplace, program


def start(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    return Command([program("ch-run"), *options, str(at.rootfs(name)), "--", *argv], at.environment, cwd)


def here(cwd: str) -> tuple[str, ...]:
    """Options that bind the current directory and start in it, as ``wherry run --here``."""
    return ("-b", f"{cwd}:/mnt", "-c", "/mnt")
