"""The programs that show a squashfs by FUSE: ``squashfuse_ll`` and ``squashfuse``, and ``fusermount3`` beside them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

import msgspec

from wherry.host.programs import find_in_path

__all__ = ["Squashfuse", "find_squashfuse", "gives_files"]

_BESIDE_APPTAINER = ("/usr/libexec/apptainer/bin", "/usr/lib/apptainer/bin", "/usr/local/libexec/apptainer/bin")
_PATIENCE = 5.0


class Squashfuse(msgspec.Struct, frozen=True):
    """Paths; empty where there is none. ``low`` is ``squashfuse_ll``, the faster; ``high`` is ``squashfuse``, which can
    show all files as somebody's whatever its version; ``beside`` is the ``squashfuse_ll`` that Apptainer brings along,
    newer than that of many distributions."""

    low: str = ""
    high: str = ""
    helper: str = ""
    beside: str = ""

    @property
    def giving(self) -> str:
        """The ``squashfuse_ll`` that can show all files as somebody's."""
        return next((path for path in dict.fromkeys((self.low, self.beside)) if path and gives_files(path)), "")


def find_squashfuse() -> Squashfuse:
    """Those that the search path leads to, else the one that Apptainer brings along."""
    beside = find_in_path("squashfuse_ll", folders=_BESIDE_APPTAINER)
    low, helper = find_in_path("squashfuse_ll") or beside, find_in_path("fusermount3", "fusermount")
    return Squashfuse(low, find_in_path("squashfuse"), helper, beside)


def gives_files(low: str) -> bool:
    """Whether this ``squashfuse_ll`` takes ``uid=`` (from 0.2 on, and Apptainer's): it says so in its help."""
    return b"uid=" in _said(low, "--help")


def _said(program: str, *words: str) -> bytes:
    """What a program writes; by hand, as the first start of an image file has no time to import ``subprocess``."""
    reader, writer = os.pipe()
    said, until = b"", time.monotonic() + _PATIENCE
    try:
        actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_DUP2, writer, number) for number in (1, 2)]
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        try:
            process = os.posix_spawn(program, [program, *words], os.environ, file_actions=actions)
        except OSError:
            return b""
        finally:
            os.close(writer)
        while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
            piece = os.read(reader, 1 << 16)
            if not piece:
                break
            said += piece
        else:
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: it went by itself
            os.waitpid(process, 0)
    finally:
        os.close(reader)
    return said
