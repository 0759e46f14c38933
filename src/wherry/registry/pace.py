"""How patiently registries are asked: attempts, pauses, timeouts. Time and chance come from here, for tests."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec

__all__ = ["Pace", "parse_retry_after"]


class Pace(msgspec.Struct, frozen=True):
    """Patience with registries; all times in seconds.

    A failed request is tried up to ``attempts`` times (``connect_attempts`` where nobody answers at all), with pauses
    that double from ``first_pause`` to ``longest_pause``, shortened by chance so that a thousand jobs do not come back
    at the same moment. A registry's ``Retry-After`` is obeyed up to ``patience``. A body that brings less than
    ``least_rate`` bytes a second during ``stall_window`` counts as stalled.
    """

    attempts: int = 5
    connect_attempts: int = 3
    first_pause: float = 0.5
    longest_pause: float = 15.0
    patience: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    stall_window: float = 60.0
    least_rate: float = 1024.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    def pause(self, failures: int, after: float | None = None) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (from 1), at least what the registry asks for."""
        backoff = min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)
        backoff *= 0.5 + 0.5 * self.chance()
        if after is None:
            return backoff
        return after + 0.1 * backoff


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds from now of a ``Retry-After`` header: a number or an HTTP date (RFC 9110, 10.2.3); None if unusable."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
