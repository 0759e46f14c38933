"""Making layers and images: from an overlay's upper directory, from several layers, from a configuration.

It never runs anything and walks no lower layer: of these it asks for names that the new layer has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.image.making.changes import Told
    from wherry.image.making.copying import copy_layer
    from wherry.image.making.images import make_image
    from wherry.image.making.layer import make_layer, told_of
    from wherry.image.making.listed import owners_list
    from wherry.image.making.squashing import squash
    from wherry.image.making.values import COMPRESSIONS, MadeLayer, Rules

__all__ = [
    "COMPRESSIONS",
    "MadeLayer",
    "Rules",
    "Told",
    "copy_layer",
    "make_image",
    "make_layer",
    "owners_list",
    "squash",
    "told_of",
]

_HOMES = {
    "COMPRESSIONS": "values",
    "MadeLayer": "values",
    "Rules": "values",
    "Told": "changes",
    "copy_layer": "copying",
    "make_image": "images",
    "make_layer": "layer",
    "owners_list": "listed",
    "squash": "squashing",
    "told_of": "layer",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
