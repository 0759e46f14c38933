"""The moment that a build's times are clamped to, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.base.decimals import decimal
from wherry.base.errors import UsageError

__all__ = ["FIXED", "VARIABLE", "epoch"]

VARIABLE = "SOURCE_DATE_EPOCH"

FIXED = 315_619_200
"""1980-01-02 00:00 UTC. Zip archives, and so Python's wheels, know no time before 1980-01-01, and count local time: one
day later is 1980 in every time zone."""

_MOST = 0o77777777777
"""What a tar header holds without extensions: the year 2242."""


def epoch(commit: int | None, environ: Mapping[str, str]) -> tuple[int, str]:
    """Seconds since 1970 and their source: the caller's SOURCE_DATE_EPOCH, else the time of the recipe's ``commit``,
    else a fixed date. Raises :class:`UsageError` where the variable is no number."""
    text = environ.get(VARIABLE, "")
    if not text:
        return (commit, "the recipe's commit") if commit is not None else (FIXED, "a fixed date")
    seconds = decimal(text)
    if seconds is None or seconds > _MOST:
        raise UsageError(
            f"{VARIABLE} '{text}' is no time",
            why="it counts the seconds since 1970-01-01 00:00 UTC (reproducible-builds.org/specs/source-date-epoch)",
            hint="as $(git log -1 --format=%ct)",
        )
    return seconds, VARIABLE
