"""What a transfer that is interrupted says: how far it was, how fast, and what to do next."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what 'signal' wraps in enumerations, which no start need wait for
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wherry.base.errors import Interrupted
from wherry.base.progress import Event

__all__ = ["Tally", "Terminated", "terminable"]

_FINAL = ("done", "exists")
_KEPT = ("pulling", "resuming", "unpacking", "syncing")
"""In these stages what came is kept, and the next pull goes on from there."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it: the same way out as Ctrl-C, and another status."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM be a :class:`Terminated` until the block ends; unless it is ignored, or this is not the main
    thread."""
    if _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL:
        yield
        return
    try:
        _signal.signal(_signal.SIGTERM, _terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)


def _terminate(number: int, frame: object) -> None:
    _signal.signal(number, _signal.SIG_IGN)  # a second one shall not stop the clearing up
    raise Terminated


class _Item:
    def __init__(self, event: Event) -> None:
        self.first = self.current = event.current
        self.total = event.total
        self.is_final = False


class Tally:
    """Takes events, from any thread, passes them on, and remembers how far all is."""

    def __init__(self, show: Callable[[Event], None]) -> None:
        self._show = show
        self._lock = allocate_lock()
        self._began = time.monotonic()
        self._items: dict[str, _Item] = {}
        self._stage = ""

    def take(self, event: Event) -> None:
        with self._lock:
            self._count(event)
        self._show(event)

    def error(self, interrupt: KeyboardInterrupt) -> Interrupted:
        """What to tell of it; to be raised in its place."""
        hint = ""
        if self._stage:
            hint = "the same command goes on where it stopped" if self._stage in _KEPT else "run the same command again"
        error = Interrupted(self._words(), hint=hint)
        if isinstance(interrupt, Terminated):
            error.exit_code = 128 + int(_signal.SIGTERM)
        return error

    def _count(self, event: Event) -> None:
        if event.stage not in _FINAL:
            self._stage = event.stage
        if not event.total:
            return
        item = self._items.get(event.item)
        if item is None:
            if event.stage in _FINAL:
                return  # it was here
            item = self._items[event.item] = _Item(event)
        if event.stage == "resuming":
            item.first = event.current
        item.current = max(item.current, event.current)
        item.is_final = event.stage in _FINAL

    def _words(self) -> str:
        from wherry.cli.listing import bytes_for_people

        if not self._stage:
            return "interrupted"
        text = f"interrupted while {self._stage}"
        whole = sum(item.total for item in self._items.values())
        if whole:
            current = sum(item.current for item in self._items.values())
            moved = sum(item.current - item.first for item in self._items.values())
            seconds = max(time.monotonic() - self._began, 0.001)
            text += f": {bytes_for_people(current)} of {bytes_for_people(whole)}"
            text += f", {bytes_for_people(int(moved / seconds))}/s in {seconds:.0f} s"
        return text
