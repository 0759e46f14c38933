"""``build --check``: the same recipe twice, nothing taken from the cache, and what differs down to the byte."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from wherry.build.activating import activated
from wherry.build.building import Plan, carried_out, planned_build
from wherry.build.differing import Difference, differences, document_differences
from wherry.build.finishing import finish
from wherry.build.made import Made, Report

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.build.request import BuildOptions
    from wherry.containers import World
    from wherry.image import Image

__all__ = ["Checked", "check_build"]

_MOST = 20
"""Differences that are told: what differs first is mostly the reason for the rest."""


class Checked(msgspec.Struct, frozen=True):
    """The first build's image, and what is different in the second; ``steps`` says which step made each layer, by the
    layer's number from the bottom."""

    image: Image
    found: tuple[Difference, ...]
    steps: dict[int, str]


def check_build(
    options: BuildOptions,
    *,
    report: Report,
    planned: Callable[[Plan], None] | None = None,
    progress: Progress | None = None,
    world: World | None = None,
) -> Checked:
    """Build twice; the first image gets the names. Raises what :func:`wherry.build.building.build` raises."""
    from wherry.build.showing import titles

    with (
        planned_build(options, report, planned, progress, world, use_cache=False) as (plan, open_site),
        ExitStack() as stack,
    ):
        twice: list[dict[int, Made]] = []
        for number in range(2):
            if number:
                time.sleep(1)  # in the same second a step that writes the time would write the same
            site = stack.enter_context(open_site())
            twice.append(carried_out(site, plan, report))
        image, _ = finish(site, plan, twice[0], progress)
        one, two = (done[plan.graph.target].layers for done in twice)
        names = titles(plan.graph)
        makers = {made.own.key: names[place] for place, made in twice[0].items() if made.own is not None}
        steps = {number: makers[layer.key] for number, layer in enumerate(one) if layer.key in makers}
        first, second = (activated(site, plan.graph, done[plan.graph.target]) for done in twice)
        found = chain(differences(one, two), document_differences(first, second))
        return Checked(image, tuple(islice(found, _MOST)), steps)
