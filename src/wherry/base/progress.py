"""Progress as events: what is moving, how far it is, how much there will be. Showing it is a face's business."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = ["Event", "Progress", "silent"]


class Event(msgspec.Struct, frozen=True):
    """One step of something that takes time.

    ``item`` names it (a short digest, a file), ``stage`` says what is happening (``pulling``, ``reading``,
    ``unpacking``, ``pushing``, ``waiting``, ``exists``, ``done``), ``current`` and ``total`` are bytes (``total`` 0:
    unknown), ``message`` is a line for people (``waiting for node7, process 4123``), empty mostly.
    """

    item: str
    stage: str
    current: int = 0
    total: int = 0
    message: str = ""


Progress = Callable[[Event], None]
"""Takes events, from any thread, quickly."""


def silent(event: Event) -> None:
    """The progress of somebody who does not want to know."""
