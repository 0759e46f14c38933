"""Where a recipe's text comes from: a file, standard input, or the context that it lies in."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound, UsageError, reason, remedy

if TYPE_CHECKING:
    from wherry.build.context import Context
    from wherry.build.request import BuildOptions

__all__ = ["Text", "places_of", "recipe_of"]

_NAMES = ("Dockerfile", "Containerfile", "dockerfile")
_LIMIT = 256 << 20
"""Bytes: a recipe is text that somebody wrote, and what follows it must not fill the memory."""


class Text(msgspec.Struct, frozen=True):
    """A recipe's text; ``name`` is what messages call it, ``path`` where it lies, empty for standard input."""

    text: str
    name: str
    path: str = ""


def recipe_of(options: BuildOptions, context: Context | None) -> Text:
    """The recipe; raises :class:`NotFound` with the names that are looked for, :class:`UsageError` for what is no text.

    A local ``-f PATH`` is looked for from the current directory, then in the context, as people write it both ways.
    """
    if options.recipe == "-":
        if options.context == "-":
            raise UsageError("the recipe and the context cannot both be standard input", hint="wherry build -f - .")
        return Text(_decoded(sys.stdin.buffer.read(_LIMIT + 1), "standard input"), "Dockerfile")
    if options.recipe is not None:
        for path in places_of(options.recipe, context.root) if context is not None else (options.recipe,):
            if os.path.isfile(path):
                return _read(path, options.recipe)
        raise NotFound(f"there is no recipe '{options.recipe}'", hint=_near(options.recipe))
    if context is None:
        raise UsageError("there is no recipe", hint="wherry build DIRECTORY, or -f FILE")
    if context.recipe is not None:
        return Text(_decoded(context.recipe, "the recipe"), "Dockerfile")
    for path in places_of(None, context.root):
        if os.path.isfile(path):
            return _read(path, os.path.basename(path))
    raise NotFound(
        f"there is no Dockerfile in '{options.context}'",
        why=f"looked for {', '.join(_NAMES[:2])}",
        hint="name it: wherry build -f FILE DIRECTORY",
    )


def places_of(recipe: str | None, root: str) -> tuple[str, ...]:
    """Where a recipe is looked for, in order, for a context at ``root``."""
    if recipe is None:
        return tuple(f"{root}/{name}" for name in _NAMES)
    return (recipe,) if os.path.isabs(recipe) else (recipe, f"{root}/{recipe}")


def _near(path: str) -> str:
    import difflib

    folder = os.path.dirname(path) or "."
    try:
        names = os.listdir(folder)
    except OSError:
        return f"there is no directory '{folder}' either"
    near = difflib.get_close_matches(os.path.basename(path), names, 1, 0.6)
    return f"did you mean '{os.path.join(os.path.dirname(path), near[0])}'?" if near else "check the spelling"


def _read(path: str, name: str) -> Text:
    try:
        with open(path, "rb") as file:
            return Text(_decoded(file.read(_LIMIT + 1), name), name, os.path.abspath(path))
    except OSError as error:
        raise UsageError(f"cannot read '{name}'", why=reason(error), hint=remedy(error)) from None


def _decoded(data: bytes, name: str) -> str:
    if len(data) > _LIMIT:
        raise UsageError(f"'{name}' is too large for a recipe", why=f"more than {_LIMIT >> 20} MiB are not read")
    return data.decode("utf-8", "surrogateescape")
