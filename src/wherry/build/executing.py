"""Carrying out a graph: each step when those that it needs are done, independent ones side by side.

It decides nothing but the order. What a step makes is a layer in the store (:mod:`wherry.build.steps`), so a build that
is stopped anywhere leaves what it finished, and the next one finds it again by its key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from wherry.base.errors import Interrupted
from wherry.build.graph import CopyStep, Files, Graph, RunStep, SourceStep, Step
from wherry.build.made import Event, Made, Report

__all__ = ["Maker", "carry_out", "needed_by"]


def needed_by(step: Step) -> tuple[int, ...]:
    """The steps that must be done before this one."""
    if isinstance(step, SourceStep):
        return ()
    return (step.parent, *(files.step for files in _files_of(step) if files.kind == "step"))


Maker = Callable[[int, Step, dict[int, Made], threading.Event | None], Made]


def carry_out(graph: Graph, make: Maker, report: Report, *, jobs: int = 1) -> dict[int, Made]:
    """Make every step of the graph; what each has made, by its place.

    ``make`` is called with a step's place, the step, what is done so far, and an event that is set when it should give
    up, None where nothing runs beside it. The first error is raised when all that ran beside it has ended. With one
    job, or where nothing is independent, everything happens in this thread.
    """
    run = _Run(graph, make, report)
    if jobs <= 1 or _is_chain(graph):
        for place in range(len(graph.steps)):
            run.make(place, None)
        return run.done
    threads = [threading.Thread(target=run.work, name=f"build-{number}", daemon=True) for number in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        run.give_up(Interrupted("interrupted"))
        for thread in threads:
            thread.join()
    if run.error is not None:
        raise run.error
    return run.done


def _is_chain(graph: Graph) -> bool:
    """Whether each step needs just the one before it, so that there is nothing to do side by side."""
    return all(needed_by(step) in ((), (place - 1,)) for place, step in enumerate(graph.steps))


class _Run:
    """The state of one build: what is done, what is under way, the first error."""

    def __init__(self, graph: Graph, make: Maker, report: Report) -> None:
        self.graph = graph
        self.done: dict[int, Made] = {}
        self.error: BaseException | None = None
        self._make = make
        self._report = report
        self._waiting = dict.fromkeys(range(len(graph.steps)))
        self._changed = threading.Condition()
        self._over = threading.Event()

    def make(self, place: int, over: threading.Event | None) -> None:
        try:
            made = self._make(place, self.graph.steps[place], self.done, over)
        except BaseException:
            self._report(Event("failed", place))
            raise
        with self._changed:
            self.done[place] = made
            self._changed.notify_all()

    def work(self) -> None:
        """Take one step after the other until there is none, or one failed."""
        while (place := self._next()) is not None:
            try:
                self.make(place, self._over)
            except BaseException as error:
                self.give_up(error)
                return

    def give_up(self, error: BaseException) -> None:
        with self._changed:
            self.error = self.error or error
            self._over.set()
            self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            while True:
                if self._over.is_set() or not self._waiting:
                    return None
                for place in self._waiting:
                    if all(need in self.done for need in needed_by(self.graph.steps[place])):
                        del self._waiting[place]
                        return place
                self._changed.wait()


def _files_of(step: Step) -> tuple[Files, ...]:
    """All files that a step takes from elsewhere."""
    if isinstance(step, CopyStep):
        return step.sources
    return tuple(mount.files for mount in step.mounts if mount.files) if isinstance(step, RunStep) else ()
