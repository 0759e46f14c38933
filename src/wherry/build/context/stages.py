"""What other steps made, as something to copy from: the view of their layers."""

from __future__ import annotations

import msgspec

from wherry.build.context.sources import View
from wherry.image import Tree

__all__ = ["view_of_tree"]


class _AsOnDisk(msgspec.Struct, frozen=True):
    uid: int = 0
    gid: int = 0
    mode: int = -1
    kind: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}


_ON_DISK = _AsOnDisk()


def view_of_tree(tree: Tree) -> View:
    """Without what tables say: all is root's."""
    return View(tree, lambda entry: _ON_DISK, {})
