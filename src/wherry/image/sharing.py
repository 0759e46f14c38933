"""A folder's files in a layer, none of them copied: where the file system can, they share blocks (ioctl_ficlone(2)).

Never by hard links: a layer's files get modes of their own, and those of the folder must stay as they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.image.making import MadeLayer
    from wherry.store import Store

__all__ = ["FICLONE", "layer_of_clones", "shares_blocks"]

FICLONE = 0x40049409
_COPY = ("cp", "-R", "-P", "--preserve=mode,timestamps,links", "--reflink=always", "--")
"""No attributes: what a folder of somebody's says of removed files and owners by them is not believed."""


def shares_blocks(path: str, folder: str) -> bool:
    """Whether a file in ``folder`` can share the blocks of the file ``path``: tried, as no file system says so."""
    place = f"{folder}/shared"
    try:
        with open(path, "rb", buffering=0) as source, open(place, "xb", buffering=0) as target:
            fcntl.ioctl(target, FICLONE, source.fileno())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(place)
    return True


def layer_of_clones(store: Store, path: str, sample: str) -> MadeLayer | None:
    """The folder's files as a layer of root's; None where they (as ``sample``, one of them) cannot share their blocks,
    or cannot all be had."""
    import subprocess

    work = store.new_work()
    try:
        if not shares_blocks(sample, work):
            return None
        try:
            done = subprocess.run([*_COPY, f"{path}/.", f"{work}/upper"], stdin=subprocess.DEVNULL, capture_output=True)
        except OSError:
            return None
        if done.returncode != 0:
            return None
        from wherry.image.making import Told, make_layer

        return make_layer(store, (), f"{work}/upper", told=Told())
    finally:
        store.discard(work)
