"""What each step of an image's making brought, and costs."""

from __future__ import annotations

import msgspec

from wherry.image.local import Image
from wherry.store import Layer

__all__ = ["Step", "history"]


class Step(msgspec.Struct, frozen=True):
    """``layer`` is None for steps that changed no file; ``size`` in bytes of unpacked contents."""

    created: str
    created_by: str
    comment: str
    size: int
    layer: Layer | None


def history(image: Image) -> tuple[Step, ...]:
    """The steps, first to last; layers that the configuration tells no history of are added without words."""
    layers = list(image.layers)
    steps = []
    for entry in image.config.history:
        layer = layers.pop(0) if layers and not entry.empty_layer else None
        size = layer.meta.size if layer else 0
        steps.append(Step(entry.created, entry.created_by, entry.comment, size, layer))
    steps += [Step("", "", "", layer.meta.size, layer) for layer in layers]
    return tuple(steps)
