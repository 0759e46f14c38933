"""Docker: its own program gives its images out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wherry.containers.theirs.daemons import images_of
from wherry.containers.theirs.held import Theirs

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["found"]


def found(path: str, world: World) -> Iterator[Theirs]:
    """All images of docker."""
    return images_of("docker", path, world)
