"""Finding what a step made before, and remembering it, in the user's store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import StoreError
from wherry.base.progress import Progress, silent
from wherry.store import BuiltStep, Hold, Layer, Store, holding, recall_step, remember_step, touch_step

__all__ = ["Cache", "Found", "Remote"]

_PATIENCE = 24 * 3600.0
"""Seconds after which another build does a step that one is doing still: compiling takes longer than any download."""


class Found(msgspec.Struct, frozen=True):
    """What a step made: ``layers`` are the keys of those that it added, none or one, with their ``diff_id``; ``made``
    is when (seconds since the epoch), ``seconds`` how long it took, ``size`` its bytes."""

    layers: tuple[str, ...]
    diff_id: Digest | None
    made: float
    seconds: float = 0.0
    size: int = 0


class Remote(Protocol):
    """A cache that several machines fill and read."""

    def bring(self, store: Store, key: Digest, below: tuple[Digest, ...], progress: Progress) -> BuiltStep | None:
        """What the step made, its layer fetched into the store; None where that is not known, or cannot be had."""


class Cache:
    """What steps of builds made, one for a build; for any number of threads. ``remotes`` are asked, in order, for what
    is not here.

    Whoever builds opens a :meth:`hold` first: what is found or remembered within it stays until it ends, whatever is
    pruned meanwhile.
    """

    def __init__(self, store: Store, *, progress: Progress = silent, remotes: tuple[Remote, ...] = ()) -> None:
        self._store = store
        self._progress = progress
        self._remotes = remotes
        self._hold: Hold | None = None
        self._used: dict[str, None] = {}
        self.result: tuple[Digest, ...] = ()
        """The diff ids of the image that is built, once they are known: ``mode=min`` sends the steps that made them."""
        self.has_made = False
        """Whether anything was added."""

    def find(self, key: Digest, below: tuple[Digest, ...] = ()) -> Found | None:
        """What the step ``key`` made, if all of it is here or a remote cache has it.

        ``below`` are the diff ids that it is done on, as for :meth:`remember`.
        """
        found = self._here(key)
        if found is not None:
            return found
        for remote in self._remotes:
            step = remote.bring(self._store, key, below, self._progress)
            if step is not None:
                self._note(step)
                return self._here(key)
        return None

    def remember(
        self, key: Digest, layer: Layer | None, seconds: float, size: int, below: tuple[Digest, ...] = ()
    ) -> None:
        """Note what the step made: ``layer``, or None where it changed no file. Atomic; of two writers the last wins.

        Call it within the step's :meth:`flight`, so that no one removes the layer before it is named here.
        Raises :class:`StoreError` when that happened nevertheless.
        """
        step = BuiltStep(
            key=key.hex,
            layer=layer.key if layer else "",
            diff_id=layer.meta.diff_id if layer else None,
            parent=str(below[-1]) if below else "",
            seconds=seconds,
            size=size,
            made=time.time(),
        )
        self._keep(step)
        if step.layer and self._store.find_layer(step.layer) is None:
            why = "another process removed it at that moment"
            raise StoreError(f"the layer '{step.layer[:12]}' is gone as it came", why=why, hint="build again")
        self._note(step)

    def flight(self, key: Digest) -> AbstractContextManager[bool]:
        """Of several builds that want a step done one is told True and does it; the others wait, find it made, and are
        told False. When it fails there, the next one is told True."""
        from wherry.store import Timing

        def is_done() -> bool:
            step = recall_step(self._store.path, key.hex)
            return step is not None and (not step.layer or self._store.find_layer(step.layer) is not None)

        timing = Timing(patience=_PATIENCE)
        return self._store.flight(f"build-{key.hex}", self._progress, is_done, timing, subject=f"step {key.short}")

    @contextmanager
    def hold(self, layers: tuple[str, ...] = ()) -> Iterator[None]:
        """Keep what is found or remembered from now on, and ``layers`` (by key), until the block ends.

        One that was killed holds nothing.
        """
        with holding(self._store.path) as held:
            self._hold = held
            try:
                self.keep(layers)
                yield
            finally:
                self._hold = None

    def keep(self, layers: tuple[str, ...]) -> None:
        """Hold further layers: those of a base image, that nobody may remove with its name. Look for them after it."""
        if self._hold is not None and layers:
            self._hold.add(*layers)

    @property
    def used(self) -> tuple[BuiltStep, ...]:
        """The steps that were found or remembered so far, in order."""
        found = (recall_step(self._store.path, key) for key in self._used)
        return tuple(step for step in found if step is not None)

    def _note(self, step: BuiltStep) -> None:
        self._keep(step)
        remember_step(self._store.path, step)
        self.has_made = True

    def _keep(self, step: BuiltStep) -> None:
        self._used[step.key] = None
        if self._hold is not None:
            self._hold.add(*(name for name in (step.key, step.layer) if name))

    def _here(self, key: Digest) -> Found | None:
        step = recall_step(self._store.path, key.hex)
        if step is None:
            return None
        self._keep(step)
        if step.layer and self._store.find_layer(step.layer) is None:
            return None
        touch_step(self._store.path, step)
        return Found((step.layer,) if step.layer else (), step.diff_id, step.made, step.seconds, step.size)
