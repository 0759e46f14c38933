"""What a step has made: the layers that lie below the next one, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wherry.base.digest import Digest
from wherry.store import Layer

__all__ = ["Event", "Made", "Report"]


class Made(msgspec.Struct, frozen=True):
    """The files after a step: ``layers`` from bottom to top, the last of them ``own`` when it changed anything."""

    layers: tuple[Layer, ...] = ()
    own: Layer | None = None
    cached: bool = False

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        return tuple(layer.meta.diff_id for layer in self.layers)


class Event(msgspec.Struct, frozen=True):
    """Something happened to the step at ``place``: ``kind`` is begin, output (``text``: a line), cached, done
    (``seconds``, ``size`` in bytes of its layer, -1 for none), failed, or note (of the whole build, at -1)."""

    kind: str
    place: int = -1
    text: str = ""
    seconds: float = 0.0
    size: int = 0


Report = Callable[[Event], None]
