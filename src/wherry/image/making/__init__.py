"""Making layers and images: from an overlay's upper directory, from several layers, from a configuration.

It never runs anything and walks no lower layer: of these it asks for names that the new layer has.
"""

from __future__ import annotations

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
