"""The drafts of one build: a step takes the one that a step before it left, and copies only what changed since."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wherry.build.drafts.draft import Draft

if TYPE_CHECKING:
    from wherry.store import Layer, Store

__all__ = ["Drafts"]


class Drafts:
    """For any number of threads; each draft is one step's at a time, and lies in a folder of ``lasting()``, which lasts
    as long as the build."""

    def __init__(self, store: Store, lasting: Callable[[], str]) -> None:
        self._store = store
        self._lasting = lasting
        self._lock = threading.Lock()
        self._spare: list[Draft] = []
        self._lent: dict[str, Draft] = {}

    def find(self, work: str) -> Draft | None:
        """The draft that was borrowed for the step in the folder ``work``."""
        return self._lent.get(work)

    def borrow(self, work: str, layers: Sequence[Layer]) -> Draft:
        """A copy of these layers for the step in ``work``. Raises :class:`StoreFull`, :class:`OSError`."""
        draft = self._nearest(tuple(layers))
        if draft is None:
            self._store.require_space(sum(layer.meta.size for layer in layers), "a writable copy of the files so far")
            draft = Draft(self._store, self._lasting())
        draft.follow(layers)
        self._lent[work] = draft
        return draft

    def give_back(self, work: str) -> None:
        """After its changes were taken; one whose step failed is not given back."""
        with self._lock:
            self._spare.append(self._lent.pop(work))

    def _nearest(self, layers: tuple[Layer, ...]) -> Draft | None:
        with self._lock:
            fitting = [each for each in self._spare if layers[: len(each.layers)] == each.layers]
            if not fitting:
                return None
            found = max(fitting, key=lambda draft: len(draft.layers))
            self._spare.remove(found)
            return found
