"""Times as everything here writes them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError

if TYPE_CHECKING:
    from wherry.base.outside import Outside

__all__ = ["ago", "now", "seconds", "source_epoch"]


def now() -> str:
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03}Z"


def seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time (or the beginning of one); 0.0 when it is none."""
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def source_epoch(outside: Outside) -> int | None:
    """The caller's ``SOURCE_DATE_EPOCH``, None when it is not set; raises :class:`UsageError` for what is no time."""
    text = outside.env("SOURCE_DATE_EPOCH") or ""
    if not text:
        return None
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is '{text}'", why="it must be seconds since 1970", hint="unset SOURCE_DATE_EPOCH"
        )
    return int(text)


def ago(text: str) -> str:
    """How long ago, as Docker says it: ``5 seconds``, ``2 hours``, ``3 weeks``."""
    passed = max(0, int(time.time() - seconds(text)))
    if passed < 1:
        return "Less than a second"
    for limit, unit, name in (
        (120, 1, "second"),
        (7200, 60, "minute"),
        (172800, 3600, "hour"),
        (1209600, 86400, "day"),
        (5184000, 604800, "week"),
        (63072000, 2592000, "month"),
    ):
        if passed < limit:
            count = passed // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{passed // 31536000} years"
