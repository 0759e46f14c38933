"""Progress as people see it: bars on a terminal, a line an item elsewhere (a batch job's log), nothing with ``-q``.

All of it goes to standard error; standard output is for results.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock  # threading's Lock, without importing threading: a start may not need either
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.base.progress import Event, Progress, silent
from wherry.cli.interrupted import Tally, terminable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["shown"]

_FIRST, _REPEAT = 5.0, 30.0
"""Seconds after which what is still moving is written first, and again, in a log."""

_FINAL = ("done", "exists")


@contextmanager
def shown(quiet: bool) -> Iterator[Progress]:
    """A progress that shows events until the block ends; may be called by any thread.

    Ctrl-C and SIGTERM become :class:`~wherry.base.errors.Interrupted`, which says how far it was.
    """
    with _showing(quiet) as show:
        tally = Tally(show)
        try:
            with terminable():
                yield tally.take
        except KeyboardInterrupt as interrupt:
            raise tally.error(interrupt) from None


@contextmanager
def _showing(quiet: bool) -> Iterator[Progress]:
    if quiet:
        yield silent
    elif sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb"):
        bars = _OnTerminal()
        try:
            yield bars.take
        finally:
            bars.stop()
    else:
        yield _InLog().take


class _InLog:
    """One line for each item when it is done; before, for what takes long and for what somebody has to say."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._due: dict[str, float] = {}
        self._said: dict[str, tuple[str, str]] = {}

    def take(self, event: Event) -> None:
        with self._lock:
            if self._is_news(event, time.monotonic()):
                print(self._line(event), file=sys.stderr, flush=True)

    def _is_news(self, event: Event, now: float) -> bool:
        if event.stage in _FINAL:  # where nothing moved for it the result is printed elsewhere
            return self._due.pop(event.item, None) is not None
        if event.message or not event.total:
            before, self._said[event.item] = self._said.get(event.item), (event.stage, event.message)
            return before != self._said[event.item]
        due = self._due.setdefault(event.item, now + _FIRST)
        if now < due:
            return False
        self._due[event.item] = now + _REPEAT
        return True

    @staticmethod
    def _line(event: Event) -> str:
        from wherry.cli.listing import bytes_for_people

        if event.message.startswith(event.stage):  # "waiting for a build that shares it" says it all
            return f"{event.item}: {event.message}" if event.item else event.message
        text = f"{event.item}: {event.stage}" if event.item else event.stage
        if event.total and event.current and event.stage not in _FINAL:
            text += f" {bytes_for_people(event.current)} of {bytes_for_people(event.total)}"
        elif event.total:
            text += f" {bytes_for_people(event.total)}"
        return f"{text} ({event.message})" if event.message else text


class _OnTerminal:
    """One bar an item; rich is imported when the first thing moves (a name that is there already shows none)."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._bars: Bars | None = None
        self._said = ""
        self._tasks: dict[str, TaskID] = {}

    def take(self, event: Event) -> None:
        with self._lock:
            if event.stage in _FINAL and event.item not in self._tasks:
                return  # nothing moved for it, and the result is printed elsewhere
            bars = self._bars or self._start()
            if event.message and event.stage not in _FINAL and event.message != self._said:
                self._said = event.message
                bars.console.print(event.message, highlight=False, markup=False)
            if event.item and (event.total or not event.message or event.item in self._tasks):
                self._update(bars, event)  # what only has something to say (a pause, another process) gets no bar

    def _update(self, bars: Bars, event: Event) -> None:
        total = event.total or None
        task = self._tasks.get(event.item)
        if task is None:
            task = self._tasks[event.item] = bars.add_task(event.item, total=total, stage=event.stage)
        if event.stage in _FINAL:
            bars.update(task, total=total, completed=total, stage=event.stage, visible=total is not None)
        else:
            bars.update(task, total=total, completed=event.current, stage=event.stage)

    def stop(self) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.stop()

    def _start(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Made

        self._bars = Made(
            TextColumn("{task.description}"),
            TextColumn("{task.fields[stage]:<10}"),
            BarColumn(bar_width=30),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
        )
        self._bars.start()
        return self._bars
