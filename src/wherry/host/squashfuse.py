"""The programs that show a squashfs by FUSE: ``squashfuse_ll`` and ``squashfuse``, and ``fusermount3`` beside them."""

from __future__ import annotations

import subprocess

import msgspec

from wherry.host.programs import find_in_path

__all__ = ["Squashfuse", "find_squashfuse", "gives_files"]

_BESIDE_APPTAINER = ("/usr/libexec/apptainer/bin", "/usr/lib/apptainer/bin", "/usr/local/libexec/apptainer/bin")
_PATIENCE = 5.0


class Squashfuse(msgspec.Struct, frozen=True):
    """Paths; empty where there is none. ``low`` is ``squashfuse_ll``, the faster; ``high`` is ``squashfuse``, which can
    show all files as somebody's whatever its version."""

    low: str = ""
    high: str = ""
    helper: str = ""


def find_squashfuse() -> Squashfuse:
    """Those that the search path leads to, else the one that Apptainer brings along."""
    low = find_in_path("squashfuse_ll") or find_in_path("squashfuse_ll", folders=_BESIDE_APPTAINER)
    return Squashfuse(low, find_in_path("squashfuse"), find_in_path("fusermount3", "fusermount"))


def gives_files(low: str) -> bool:
    """Whether this ``squashfuse_ll`` takes ``uid=`` (from 0.2 on, and Apptainer's): it says so in its help."""
    try:
        done = subprocess.run([low, "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return False
    return b"uid=" in done.stdout + done.stderr
