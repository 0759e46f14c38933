"""A build while it goes on: a line when a step begins, its output below it, a line when it is done.

On a terminal the lines have colours, and the steps that are under way stand at the bottom with their time. Elsewhere
(logs, batch jobs) only plain lines are written, each of them whole, so that steps side by side can be told apart.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from wherry.build.made import Event
from wherry.build.showing import titles

if TYPE_CHECKING:
    from wherry.build.building import Built, Plan

__all__ = ["View", "view_of"]

_TITLE = 100


@contextmanager
def view_of(how: str) -> Iterator[View]:
    """``auto``, ``plain`` or ``quiet``. What failing steps wrote is shown even by a quiet one."""
    import os

    colours = how == "auto" and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    view = View(sys.stderr, colours=colours, quiet=how == "quiet")
    try:
        yield view
    finally:
        view.close()


class View:
    """Takes events from any thread and writes lines."""

    def __init__(self, stream: TextIO, *, colours: bool = False, quiet: bool = False) -> None:
        self._stream = stream
        self._colours = colours
        self._quiet = quiet
        self._lock = threading.Lock()
        self._titles: tuple[str, ...] = ()
        self._kept: dict[int, list[str]] = {}
        """Of a quiet build: the last lines of each step, shown if it fails."""
        self._said: list[str] = []
        self._is_repeated = True
        self.again: str | None = None
        """After the end: what is said when the same is built again; None where something was made this time."""

    def begin(self, plan: Plan) -> None:
        """Before the first step."""
        self._titles = titles(plan.graph)

    def take(self, event: Event) -> None:
        with self._lock:
            self._is_repeated = self._is_repeated and event.kind in ("cached", "note")
            if event.kind == "output":
                self._output(event)
            elif event.kind == "failed":
                self._failed(event)
            elif not self._quiet or event.kind == "note":
                self._step(event)

    def end(self, built: Built) -> None:
        if self._is_repeated:
            self.again = "".join((*self._said, self._ending(built, 0.0)))
        self._stream.write(self._ending(built, built.seconds))

    def _ending(self, built: Built, seconds: float) -> str:
        if self._quiet:
            return ""
        cached = f", {built.cached} from the cache" if built.cached else ""
        names = ", ".join(built.names)
        first = f"{_mark('built', '32', self._colours)} {built.image.digest}{f'  {names}' if names else ''}"
        steps = "1 step" if built.steps == 1 else f"{built.steps} steps"
        return f"{first}\n      {steps}{cached}, {seconds:.1f} s\n"

    def close(self) -> None:
        self._stream.flush()

    def _step(self, event: Event) -> None:
        if event.kind == "note":
            self._say(f"{_mark('note', '33', self._colours)}  {event.text}")
            return
        title = self._title(event.place)
        if event.kind == "begin":
            self._say(f"{_mark(f'#{event.place}', '36', self._colours)} {title}")
        elif event.kind == "cached":
            self._say(f"{_mark(f'#{event.place}', '36', self._colours)} {title} {_dim('cached', self._colours)}")
        elif event.kind == "done":
            from wherry.cli.listing import bytes_for_people

            size = f", {bytes_for_people(event.size)}" if event.size >= 0 else ", no change"
            text = _dim(f"done in {event.seconds:.1f} s{size}", self._colours)
            self._say(f"{_mark(f'#{event.place}', '36', self._colours)} {text}")

    def _title(self, place: int) -> str:
        title = " ".join(self._titles[place].split()) if place < len(self._titles) else ""
        return title if len(title) <= _TITLE else f"{title[: _TITLE - 3]}..."

    def _output(self, event: Event) -> None:
        if self._quiet:
            lines = self._kept.setdefault(event.place, [])
            lines.append(event.text)
            del lines[:-50]
            return
        from wherry.cli.listing import visible

        self._say(f"{_dim(f'#{event.place}', self._colours)} {visible(event.text.expandtabs())}")

    def _failed(self, event: Event) -> None:
        from wherry.cli.listing import visible

        for line in self._kept.pop(event.place, []):
            self._say(visible(line))

    def _say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        if self._is_repeated:
            self._said.append(f"{text}\n")


def _mark(text: str, colour: str, colours: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colours else text


def _dim(text: str, colours: bool) -> str:
    return f"\x1b[2m{text}\x1b[0m" if colours else text
