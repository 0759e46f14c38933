"""What containers use as rows, with Docker's columns and fields, and as a table that is drawn again each second."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wherry.cli import listing
from wherry.cli.grammar import Given

if TYPE_CHECKING:
    from wherry.containers import ContainerUse

__all__ = ["show_stats"]

_COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
)
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def show_stats(given: Given) -> int:
    """Print the rows as often as is asked; Ctrl-C ends it."""
    from wherry.containers import stats

    once = given.flag("no_stream")
    try:
        _show(stats(given.words, once=once), given, live=not once and sys.stdout.isatty())
    except KeyboardInterrupt:
        return 0
    return 0


def _show(looks: Iterator[list[ContainerUse]], given: Given, *, live: bool) -> None:
    for uses in looks:
        if live:
            sys.stdout.write(_HOME_AND_CLEAR)
        listing.show([_row(use, whole=given.flag("no_trunc")) for use in uses], _COLUMNS, given.text("format"))
        sys.stdout.flush()


def _row(use: ContainerUse, *, whole: bool) -> dict[str, Any]:
    return {
        "ID": use.id if whole else use.id[:12],
        "Container": use.id if whole else use.id[:12],
        "Name": use.name,
        "CPUPerc": f"{100 * use.cpu:.2f}%",
        "MemUsage": f"{_binary(use.memory)} / {_binary(use.memory_limit)}",
        "MemPerc": f"{100 * use.memory / use.memory_limit:.2f}%",
        "NetIO": "--",
        "BlockIO": f"{listing.bytes_for_people(use.read)} / {listing.bytes_for_people(use.written)}",
        "PIDs": use.processes,
        "Memory": use.memory,
        "MemoryLimit": use.memory_limit,
    }


def _binary(size: int) -> str:
    """As Docker shows memory: binary units, four digits (``1.5GiB``)."""
    value, unit = float(size), 0
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    while value >= 1024 and unit < len(units) - 1:
        value /= 1024
        unit += 1
    return f"{value:.4g}{units[unit]}"
