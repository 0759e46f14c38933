"""What the layers of an image say of owners, as the list that a supervisor reads (``native/supervisor/lower.h``).

For each file that is not what an unpacked layer shows: path, ``UID:GID:MODE[:c|b:MAJOR:MINOR]``, the number of foreign
attributes, then name and value (in hexadecimal digits) of each; all ended by a zero byte.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.image.making.below import Below
from wherry.image.making.devices import devices_with_places
from wherry.image.making.owners import Owner, read_beside

if TYPE_CHECKING:
    from wherry.store import Layer, Store

__all__ = ["owners_list"]


def owners_list(store: Store, layers: Sequence[Layer] | Below, beside: str = "") -> bytes:
    """The list for these layers (bottom first); ``beside`` is the file ``owners`` that an earlier step on the same
    upper directory left. Empty where all belongs to root. Devices are in it, too: no tree has them, but a start may
    give them places (``devices``)."""
    below = Below.of(store, layers)
    found = {path: owner for path, (_, owner) in below.odd.items()} | devices_with_places(below)
    if beside:
        found.update(read_beside(beside))
    return b"".join(_record(path, owner) for path, owner in found.items())


def _record(path: str, owner: Owner) -> bytes:
    kind = f":{owner.kind[0]}:{owner.device[0]}:{owner.device[1]}" if owner.kind else ""
    texts = [path, f"{owner.uid}:{owner.gid}:{max(owner.mode, 0):04o}{kind}", str(len(owner.xattrs))]
    for name, value in owner.xattrs.items():
        texts += [name, value.hex()]
    return b"".join(os.fsencode(text) + b"\0" for text in texts)
