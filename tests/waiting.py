"""Waiting for what another process does, instead of for a time that somebody guessed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["until"]


def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as ``holds()`` is true; fail when it is not after so many seconds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, f"it did not happen within {seconds:.0f} seconds"
        pause.wait(0.02)
