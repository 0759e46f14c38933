"""Whether the system calls of a container can be answered (``--fakeroot``; ``native/supervisor``)."""

from __future__ import annotations

import os

from wherry.host.programs import native_folder

__all__ = ["find_supervised", "supervisor_program"]

_PATIENCE = 10
"""Seconds."""


def supervisor_program() -> str:
    """The path of ``wherry-supervisor``: beside this package, or as ``WHERRY_SUPERVISOR`` says (for its developers)."""
    return os.environ.get("WHERRY_SUPERVISOR") or f"{native_folder()}/wherry-supervisor"


def find_supervised() -> str:
    """Why it cannot be, empty where it can: the program has a child of its own supervised."""
    import subprocess

    try:
        done = subprocess.run([supervisor_program(), "--probe"], capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the supervisor cannot be started: {error}"
    said = done.stdout.decode(errors="replace").strip()
    if said in ("fast", "slow"):
        return ""
    return f"system calls cannot be answered here ({said.removeprefix('no: ') or f'status {done.returncode}'})"
