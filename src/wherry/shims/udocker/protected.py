"""Images that ``udocker protect`` keeps from ``udocker rmi``: a list of names in the store.

It guards against one's own typing under udocker's name; Wherry's verbs do not ask it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers import World

__all__ = ["change", "names"]


def names(world: World) -> frozenset[str]:
    """The references that are protected."""
    try:
        with open(_path(world), encoding="utf-8") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def change(world: World, text: str, *, protect: bool) -> None:
    """Protect an image or let it go again; raises :class:`NotFound` for one that is not held."""
    from wherry.containers import reference_of

    reference: Reference = reference_of(world, text)
    if world.store.name(reference) is None:
        raise NotFound(f"image not found {text}", hint="'udocker images' lists them")
    left = names(world) - {str(reference)}
    lines = sorted((*left, str(reference)) if protect else left)
    temporary = f"{_path(world)}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    os.rename(temporary, _path(world))


def _path(world: World) -> str:
    return f"{world.store.path}/udocker-protected"
