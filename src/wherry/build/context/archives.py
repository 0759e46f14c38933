"""Archives among what is copied (ADD): tars, plain or compressed, told by their content, unpacked as layers are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wherry.build.context.selecting import Selection
from wherry.build.context.sources import Node, Root

__all__ = ["unpacked"]


@contextmanager
def unpacked(root: Root, node: Node, work: str) -> Iterator[Selection | None]:
    yield None
