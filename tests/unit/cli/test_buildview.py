"""What a build says, and what it would say again."""

from __future__ import annotations

import io

from wherry.base.digest import Digest
from wherry.build.building import Built, Plan
from wherry.build.dockerfile import Position
from wherry.build.graph import Graph, Origin, RunStep, SourceStep
from wherry.build.made import Event
from wherry.cli.buildview import View

GRAPH = Graph(
    (
        SourceStep(origin=Origin(Position(1), "FROM a", "s"), reference="a"),
        RunStep(origin=Origin(Position(2), "RUN x", "s"), parent=0, command=("x",)),
    ),
    1,
    {},
)


class _Image:
    digest = Digest.of(b"image")


BUILT = Built(_Image(), ("a:1",), Digest.of(b"config"), 0, 1, 1, 3.21)  # type: ignore[arg-type]


def said(*events: Event, colours: bool = False, quiet: bool = False) -> tuple[str, str | None]:
    stream = io.StringIO()
    view = View(stream, colours=colours, quiet=quiet)
    view.begin(Plan(None, GRAPH, {}))  # type: ignore[arg-type]
    for event in events:
        view.take(event)
    view.end(BUILT)
    return stream.getvalue(), view.again


def test_a_build_that_found_all_says_the_same_again_in_no_time() -> None:
    text, again = said(Event("cached", 0), Event("note", text="left out"), Event("cached", 1))
    assert text.endswith("      1 step, 1 from the cache, 3.2 s\n")
    assert again == text.replace("3.2 s", "0.0 s")
    assert "note  left out\n" in text


def test_one_that_made_something_would_say_something_else() -> None:
    for kind in ("begin", "output", "done"):
        assert said(Event("cached", 0), Event(kind, 1))[1] is None


def test_a_quiet_one_says_nothing_but_notes() -> None:
    assert said(Event("cached", 0), Event("cached", 1), quiet=True) == ("", "")
    assert said(Event("note", text="lost"), quiet=True) == ("note  lost\n", "note  lost\n")


def test_colours_are_said_again() -> None:
    text, again = said(Event("cached", 0), colours=True)
    assert again == text.replace("3.2 s", "0.0 s")
    assert "\x1b[2mcached\x1b[0m" in text
