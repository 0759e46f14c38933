"""What all steps of a build share: where it happens, what it reads, how its bytes are made to repeat."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from wherry.build.made import Report
from wherry.build.normalise import fingerprint
from wherry.build.owners import loses_owners
from wherry.build.tidying import Tidying

if TYPE_CHECKING:
    from wherry.build.cache import Cache
    from wherry.build.context import Context, Ignore
    from wherry.build.drafts import Drafts
    from wherry.build.normalise import Rule
    from wherry.build.request import BuildOptions
    from wherry.build.surroundings import Shown
    from wherry.containers import World
    from wherry.image import Below
    from wherry.store import Layer

__all__ = ["Here", "Site", "Sources"]

Sources = Callable[[str], "tuple[Context, Ignore]"]
"""The context of that name (empty: the main one), opened when it is first asked for, and what it ignores."""


class Here(msgspec.Struct, frozen=True):
    """``recipe`` is what the recipe is called; ``epoch`` (seconds) is what later times become; ``rules`` are those that
    are on; ``use_cache``: steps that were made before are taken; ``owners`` is how a step's files come to other owners
    (:mod:`wherry.build.owners`)."""

    options: BuildOptions
    recipe: str
    epoch: int
    rules: tuple[Rule, ...]
    owners: str
    use_cache: bool = True


class Site:
    """One build's. ``planning`` is held while a start is planned: a world is one thread's at a time."""

    def __init__(self, world: World, here: Here, cache: Cache, sources: Sources, report: Report) -> None:
        self.world = world
        self.here = here
        self.cache = cache
        self.sources = sources
        self.report = report
        self.planning = threading.RLock()
        self.meaning = fingerprint(here.rules, here.epoch)
        """What of the way of building is part of every layer's bytes, and so of every step's key."""
        self.loses_owners = loses_owners(here.owners)
        """Whether commands make other layers here than elsewhere: these have keys of their own."""
        self.drafts: Drafts | None = None
        """Trees in which commands run, where no overlay can be laid over the files so far."""
        self.tidying = Tidying(world.store)
        self._below: dict[tuple[str, ...], Below] = {}
        self.asked = False
        """Whether a command was run for what no layer holds: then the same may say something else another time."""
        self.notes: dict[str, None] = {}
        """What this machine or image could not give, said once."""

    @cached_property
    def shown(self) -> Shown:
        """What commands are shown of this machine, as layers that they share."""
        from wherry.build.surroundings import Shown

        return Shown(self.tidying.lasting)

    @cached_property
    def authorities(self) -> tuple[bytes, ...]:
        """This machine's own, where steps are to trust them."""
        from wherry.build.certificates import remembered_own

        trusting = self.world.settings.text("build.authorities") == "own"
        return remembered_own(os.environ, self.world.runtime) if trusting else ()

    def below(self, layers: tuple[Layer, ...]) -> Below:
        """The view that a step upon these layers is done on: what the one before learnt of the lower ones is known."""
        from wherry.image import Below

        place = tuple(layer.key for layer in layers)
        if place not in self._below:
            self._below[place] = Below(self.world.store, layers, self._below.get(place[:-1]) if layers else None)
        return self._below[place]

    def note(self, text: str) -> None:
        from wherry.build.made import Event

        with self.planning:
            if text not in self.notes:
                self.notes[text] = None
                self.report(Event("note", text=text))
