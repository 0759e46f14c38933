"""What the makers of layers take and give."""

from __future__ import annotations

import msgspec

from wherry.base.digest import Digest
from wherry.image.model import Descriptor
from wherry.store import Layer

__all__ = ["COMPRESSIONS", "MadeLayer", "Rules"]

COMPRESSIONS = ("gzip", "zstd")


class Rules(msgspec.Struct, frozen=True):
    """How bytes are made to repeat; all off by default.

    ``epoch``: seconds since 1970; what is younger gets this time. ``drop`` and ``empty`` are patterns of paths below
    the root (``*``, ``?`` and ``[...]`` within a name, ``**`` for any number of directories): what never enters a
    layer, directories with all that is in them, and files that are kept without their content.
    """

    epoch: int | None = None
    drop: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


class MadeLayer(msgspec.Struct, frozen=True):
    """A layer that was made here. ``size`` is the bytes of its tar, ``entries`` how many that has; ``blob`` the
    compressed tar among the store's blobs, if one was wanted."""

    layer: Layer
    diff_id: Digest
    size: int
    entries: int
    blob: Descriptor | None = None
