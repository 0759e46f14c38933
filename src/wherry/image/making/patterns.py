"""Patterns of paths below an image's root, as rules name them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from wherry.base.errors import UsageError

__all__ = ["matcher"]


def matcher(patterns: Sequence[str]) -> Callable[[str], bool] | None:
    """Tells whether a path (relative, clean) fits one of them; None where there are none.

    Raises :class:`UsageError` for what is no pattern.
    """
    return _matcher(tuple(patterns))


@cache
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool] | None:
    if not patterns:
        return None
    whole = re.compile("|".join(f"(?:{_expression(pattern)})" for pattern in patterns), re.DOTALL)
    return lambda path: whole.fullmatch(path) is not None


def _expression(pattern: str) -> str:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise UsageError(f"'{pattern}' is no pattern of a path in an image", hint="var/cache/*.bin, or **/__pycache__")
    found = ""
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "**":
            found += ".*" if last else "(?:[^/]+/)*"
        else:
            found += _name(part) + ("" if last else "/")
    return found


def _name(part: str) -> str:
    found, position = "", 0
    while position < len(part):
        char = part[position]
        position += 1
        if char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif (
            char == "["
            and (end := part.find("]", position + 2 if part[position : position + 1] == "!" else position + 1)) > 0
        ):
            inner = part[position:end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            position = end + 1
        else:
            found += re.escape(char)
    return found
