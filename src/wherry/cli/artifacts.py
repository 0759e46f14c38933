"""``pull oras://``: a SIF file of a registry, kept in the store and, if asked for, written where the user wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry import containers

if TYPE_CHECKING:
    from wherry.base.progress import Progress

__all__ = ["artifact"]


def artifact(world: containers.World, text: str, *, output: str | None, auth_file: str, progress: Progress) -> str:
    """The path of the file: that asked for, else that in the store."""
    if output:
        return containers.copy_artifact(world, text, output, auth_file=auth_file, progress=progress)
    return containers.fetch_artifact(world, text, pull="always", auth_file=auth_file, progress=progress)
