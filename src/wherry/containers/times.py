"""Times as everything here writes them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

import time

__all__ = ["ago", "now", "seconds"]


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
