"""Carrying a graph out: the order of steps, what goes on side by side, and what happens after the first error."""

from __future__ import annotations

import threading

import pytest

from wherry.base.errors import CommandFailed
from wherry.build.dockerfile import Position
from wherry.build.executing import carry_out, needed_by
from wherry.build.graph import CopyStep, Files, Graph, MetaStep, MountFrom, Origin, RunStep, SourceStep, Step
from wherry.build.made import Event, Made

_AT = Origin(Position(1), "", "s")


def _source() -> Step:
    return SourceStep(origin=_AT, reference="a")


def _run(parent: int) -> Step:
    return RunStep(origin=_AT, parent=parent, command=("x",))


def _copy(parent: int, other: int) -> Step:
    return CopyStep(origin=_AT, parent=parent, sources=(Files(kind="step", step=other),), target="/")


def _graph(*steps: Step) -> Graph:
    return Graph(steps, len(steps) - 1, {})


def _quiet(event: Event) -> None:
    pass


def test_what_a_step_needs() -> None:
    mount = MountFrom(type="bind", target="/t", files=Files(kind="step", step=4))
    cache = MountFrom(type="cache", target="/c")
    step = RunStep(origin=_AT, parent=2, command=("x",), mounts=(mount, cache))
    assert needed_by(_source()) == ()
    assert needed_by(step) == (2, 4)
    assert needed_by(_copy(1, 3)) == (1, 3)
    assert needed_by(CopyStep(origin=_AT, parent=1, sources=(Files(kind="context"),), target="/")) == (1,)
    assert needed_by(MetaStep(origin=_AT, parent=5)) == (5,)


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_a_step_is_made_after_all_that_it_needs(jobs: int) -> None:
    graph = _graph(_source(), _run(0), _run(1), _source(), _run(3), _copy(2, 4), _run(5))
    made: list[int] = []

    def make(place: int, step: Step, done: dict[int, Made], over: threading.Event) -> Made:
        assert set(needed_by(step)) <= set(done)
        made.append(place)
        return Made()

    assert set(carry_out(graph, make, _quiet, jobs=jobs)) == set(range(7))
    assert sorted(made) == list(range(7))


def test_independent_steps_go_on_side_by_side() -> None:
    graph = _graph(_source(), _run(0), _source(), _run(2), _copy(1, 3))
    both = threading.Barrier(2, timeout=10)

    def make(place: int, step: Step, done: dict[int, Made], over: threading.Event) -> Made:
        if isinstance(step, RunStep):
            both.wait()  # neither goes on before the other has begun
        return Made()

    assert len(carry_out(graph, make, _quiet, jobs=2)) == 5


def test_a_chain_is_made_by_the_callers_own_thread() -> None:
    threads = set()

    def make(place: int, step: Step, done: dict[int, Made], over: threading.Event) -> Made:
        threads.add(threading.current_thread())
        return Made()

    carry_out(_graph(_source(), _run(0), _run(1)), make, _quiet, jobs=4)
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_error_ends_the_build_and_tells_who_runs_beside_it(jobs: int) -> None:
    graph = _graph(_source(), _run(0), _source(), _run(2), _copy(1, 3))
    told: list[Event] = []
    began = threading.Event()

    def make(place: int, step: Step, done: dict[int, Made], over: threading.Event) -> Made:
        if place == 1:
            if jobs > 1:
                assert began.wait(10)
            raise CommandFailed("first", status=3)
        if place == 3:
            began.set()
            assert over.wait(10)
            raise CommandFailed("given up", status=4)
        return Made()

    with pytest.raises(CommandFailed, match="first"):
        carry_out(graph, make, told.append, jobs=jobs)
    assert ("failed", 1) in [(event.kind, event.place) for event in told]
