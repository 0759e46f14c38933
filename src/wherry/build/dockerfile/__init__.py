"""Dockerfiles: text to instructions, and back. Pure: it reads no file and knows no image.

Words: a *directive* is a comment at the top that means something; a *logical line* is an instruction after its lines
were joined; a *word* is a text as it stands, which :func:`expand` gives a value; :func:`show` writes a recipe again.

(https://docs.docker.com/reference/dockerfile/; docs/reference/dockerfile.md says what is honoured.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.build.dockerfile.errors import RecipeError, nearest, placed
    from wherry.build.dockerfile.expansion import Expanded, expand, expand_text, expand_words
    from wherry.build.dockerfile.instructions import Instruction, Position, Recipe
    from wherry.build.dockerfile.parsing import decode, parse, parse_trigger
    from wherry.build.dockerfile.showing import show
    from wherry.build.dockerfile.words import script_of

__all__ = [
    "Expanded",
    "Instruction",
    "Position",
    "Recipe",
    "RecipeError",
    "decode",
    "expand",
    "expand_text",
    "expand_words",
    "nearest",
    "parse",
    "parse_trigger",
    "placed",
    "script_of",
    "show",
]

_HOMES = {
    "Expanded": "expansion",
    "Instruction": "instructions",
    "Position": "instructions",
    "Recipe": "instructions",
    "RecipeError": "errors",
    "decode": "parsing",
    "expand": "expansion",
    "expand_text": "expansion",
    "expand_words": "expansion",
    "nearest": "errors",
    "parse": "parsing",
    "parse_trigger": "parsing",
    "placed": "errors",
    "script_of": "words",
    "show": "showing",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
