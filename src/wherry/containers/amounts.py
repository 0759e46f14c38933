"""Amounts of memory, processors and processes as Docker writes them, and as the settings do."""

from __future__ import annotations

import math
import re

from wherry.base.decimals import decimal
from wherry.base.errors import UsageError

__all__ = ["memory", "memory_and_swap", "processes", "processors", "size"]

_LEAST_MEMORY = 6 << 20


def size(text: str, option: str) -> int:
    """An amount of bytes, written as for :func:`memory`, of any size."""
    found = _bytes(text)
    if found is None or found >= 1 << 63:
        raise UsageError(f"'{option} {text}' is not an amount of memory", hint=f"{option} 512m, 4g, or bytes")
    return found


def memory(text: str, option: str = "--memory") -> int:
    """``512m``, ``1.5g``, ``2GiB`` or bytes, in bytes (powers of 1024); 0 is no limit."""
    found = size(text, option)
    if 0 < found < _LEAST_MEMORY:
        raise UsageError(f"'{option} {text}' is too little", why="no container starts in less than 6 MiB")
    return found


def memory_and_swap(text: str, limit: int | None) -> int:
    """``--memory-swap``: memory and swap space together, -1 for as much of it as there is."""
    if text == "-1":
        return -1
    total = memory(text, "--memory-swap")
    if not limit:
        raise UsageError("'--memory-swap' needs '--memory'", why="it is what memory and swap space may be together")
    if total < limit:
        raise UsageError(f"'--memory-swap {text}' is less than '--memory'", why="it counts memory and swap together")
    return total


def processors(text: str, option: str = "--cpus") -> float:
    """``--cpus``: processors' time, as 1.5; 0 is no limit."""
    try:
        count = float(text)
    except ValueError:
        count = -1.0
    if not math.isfinite(count) or count < 0 or 0 < count < 0.01:
        raise UsageError(f"'{option} {text}' is not a number of processors", hint="--cpus 1.5; the least is 0.01")
    return count


def processes(text: str, option: str = "--pids-limit") -> int:
    """``--pids-limit``: processes and threads; -1 or 0 is no limit."""
    count = 0 if text == "-1" else decimal(text)
    if count is None:
        raise UsageError(f"'{option} {text}' is not a number of processes", hint="--pids-limit 500")
    return count


def _bytes(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([bkmgtp]?)(?:(?<=[kmgtp])i?b)?", text.lower())
    return int(float(found[1]) * 1024 ** "bkmgtp".index(found[2] or "b")) if found else None
