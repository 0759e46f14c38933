"""What other steps made, as something to copy from: the view of their layers, with the owners of their tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.build.context.sources import Owner, View
from wherry.image import Tree

if TYPE_CHECKING:
    from wherry.image import Below
    from wherry.store import Layer, Store

__all__ = ["layers_root", "view_of_tree"]


class _AsOnDisk(msgspec.Struct, frozen=True):
    uid: int = 0
    gid: int = 0
    mode: int = -1
    kind: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}


_ON_DISK = _AsOnDisk()


def layers_root(store: Store, layers: Sequence[Layer], shown: str = "the stage") -> View:
    """The files of layers (bottom first): whose they are in the image, its devices and attributes."""
    from wherry.image import Below, inlined

    below = Below(store, layers)
    identity = " ".join(str(layer.meta.diff_id) for layer in layers)

    def closed(real: str) -> Iterator[bytes]:
        layer = next(layer for layer in layers if real.startswith(f"{layer.tree}/"))
        return inlined(layer.table, real[len(layer.tree) + 1 :])

    return View(below.view, below.owner, lambda: _devices(below), closed, shown, identity)


def view_of_tree(tree: Tree) -> View:
    """Without what tables say: all is root's."""
    return View(tree, lambda entry: _ON_DISK, dict, lambda real: ())


def _devices(below: Below) -> dict[str, dict[str, Owner]]:
    """By folder and name: no tree has them."""
    found: dict[str, dict[str, Owner]] = {}
    for path, owner in below.devices.items():
        folder, _, name = path.rpartition("/")
        found.setdefault(f"/{folder}", {})[name] = owner
    return found
