"""Execution records as rows: what ran, when, how it ended, what it used."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

from wherry.base.errors import NotFound
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.cli.naming import familiar

__all__ = ["record_rows"]

_DEFAULT = 20


def record_rows(given: Given) -> list[dict[str, Any]]:
    """The newest executions last, as a log; those whose id begins with the given one."""
    from wherry.containers import World, read_records

    world = World()
    wanted = given.word if given.words else ""
    found = [
        record
        for record in read_records(world.state, node=given.text("node") or "", boot_id=world.outside.boot_id())
        if record.id.startswith(wanted) or (wanted and record.start.name == wanted)
    ]
    if wanted and not found:
        raise NotFound(f"there is no record of '{wanted}'", hint="'wherry record -n 0' lists them all")
    found.sort(key=lambda record: record.start.time)
    count = given.number("last")
    count = _DEFAULT if count is None else count
    return [_row(record, whole=given.flag("no_trunc")) for record in (found[-count:] if count else found)]


def _row(record: Any, *, whole: bool) -> dict[str, Any]:
    start, end = record.start, record.end
    row: dict[str, Any] = {
        "ID": start.id if whole else start.id[:12],
        "Started": start.time[:19].replace("T", " "),
        "Image": familiar(start.image),
        "Command": listing.shortened(shlex.join(start.command), 40, whole=whole),
        "Status": _status(record),
        "Wall": "",
        "CPU": "",
        "Memory": "",
        "Lost": record.lost,
        "Start": msgspec.to_builtins(start),
        "End": None if end is None else msgspec.to_builtins(end),
    }
    if end is not None:
        row["Wall"] = _duration(end.usage.wall_ms)
        row["CPU"] = _duration(end.usage.user_ms + end.usage.system_ms)
        row["Memory"] = listing.bytes_for_people((end.usage.peak_memory_kb or end.usage.max_rss_kb) * 1024)
    return row


def _status(record: Any) -> str:
    if record.end is not None:
        limit, signal = record.end.limit, record.end.signal
        why = f" ({limit.kind} limit)" if limit else f" (signal {signal})" if signal else ""
        return f"exit {record.end.exit}{why}"
    return "lost" if record.lost else "running"


def _duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1000:.2f}s"
    seconds = milliseconds // 1000
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02}m{left:02}s"
    return f"{minutes}m{left:02}s" if minutes else f"{milliseconds / 1000:.1f}s"
