"""What a kept container printed: Docker's json-file lines, split by stream."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Iterator

import msgspec

from wherry.base.errors import NotFound, UsageError
from wherry.containers.lookup import Found, find_container
from wherry.containers.running import Running, is_alive
from wherry.containers.world import World

__all__ = ["LogLine", "logs"]

_TICK_MS = 200
"""How often a followed log is looked at; the end of the container is noticed at once."""


class LogLine(msgspec.Struct, frozen=True):
    """A line (with its newline, unless it was cut) and the stream (``stdout``, ``stderr``) that it was written to."""

    log: str
    stream: str
    time: str


def logs(
    name: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: str | None = None,
    until: str | None = None,
    world: World | None = None,
) -> Iterator[LogLine]:
    """The lines so far: all, the last ``tail``, or those after ``since`` and up to ``until`` (RFC 3339, or ``10m``: so
    long ago).

    With ``follow`` also what comes until the container ends, or until then.

    Raises :class:`NotFound` when there is no log: the container is not kept, or never started.
    """
    world = world or World()
    if tail is not None and tail < 0:
        raise UsageError(f"'--tail {tail}' is not a number of lines", hint="a number from 0, or all")
    start = _moment(since, "--since") if since else 0.0
    end = _moment(until, "--until") if until else math.inf
    found = find_container(world, name)
    path = f"{world.containers}/{found.id}/log.json"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _no_log(found) from None
    return _lines(file, found.running if follow else None, tail, start, end)


def _lines(file: int, running: Running | None, tail: int | None, start: float, end: float) -> Iterator[LogLine]:
    from wherry.containers.times import seconds

    decoder = msgspec.json.Decoder(LogLine)
    try:
        rest = b""
        if tail is not None:
            os.lseek(file, _tail_offset(file, tail), os.SEEK_SET)
        while True:
            ended = running is None or not is_alive(running.launcher_pid, running.launcher_started)
            while chunk := os.read(file, 1 << 16):
                *whole, rest = (rest + chunk).split(b"\n")
                for text in whole:
                    try:
                        line = decoder.decode(text)
                    except msgspec.MsgspecError:
                        continue  # cut by a full disk
                    moment = seconds(line.time) if start or end < math.inf else 0.0
                    if start <= moment <= end:
                        yield line
            if ended or running is None or time.time() > end:
                return
            _pause(running)
    finally:
        os.close(file)


def _moment(text: str, option: str) -> float:
    """Seconds since the epoch: an RFC 3339 time or a date, or how long ago (``90s``, ``10m``, ``1h30m``, ``2d``)."""
    import re

    from wherry.containers.times import seconds

    if re.fullmatch(r"(\d+[smhd])+", text):
        unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        return time.time() - sum(int(part[:-1]) * unit[part[-1]] for part in re.findall(r"\d+[smhd]", text))
    moment = seconds(text)
    if not moment:
        raise UsageError(f"'{option} {text}' is not a time", hint="as 10m, 1h30m, 2026-03-31 or 2026-03-31T12:00:00Z")
    return moment


def _tail_offset(file: int, count: int) -> int:
    """Where the last ``count`` lines begin; reads the file from its end, a block at a time."""
    position = os.fstat(file).st_size
    if count == 0:
        return position
    newlines = 0
    block = 1 << 16
    while position > 0:
        start = max(0, position - block)
        content = os.pread(file, position - start, start)
        place = len(content)
        while (place := content.rfind(b"\n", 0, place)) >= 0:
            newlines += 1
            if newlines > count:
                return start + place + 1
        position = start
    return 0


def _pause(running: Running) -> None:
    try:
        descriptor = os.pidfd_open(running.launcher_pid)
    except ProcessLookupError:
        return
    except OSError:
        select.select([], [], [], _TICK_MS / 1000)
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(_TICK_MS)
    finally:
        os.close(descriptor)


def _no_log(found: Found) -> NotFound:
    if found.kept is None:
        return NotFound(
            f"container '{found.shown}' has no log",
            why="its output went where it was started; only containers with --name or -d have one",
        )
    return NotFound(f"container '{found.shown}' has no log yet", hint=f"wherry start {found.shown}")
