"""The functions of templates (:mod:`wherry.cli.template`), and how Go prints and judges values."""

from __future__ import annotations

from typing import Any

from wherry.cli.listing import json_text

__all__ = ["FUNCTIONS", "as_text", "is_true"]

_ANY = 1 << 30


def as_text(value: Any) -> str:
    """As Go prints it: ``[a b]`` for a list, ``map[k:v]`` for a map."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + " ".join(as_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{as_text(item)}" for key, item in sorted(value.items())) + "]"
    return str(value)


def is_true(value: Any) -> bool:
    """Whether ``if`` takes it: not false, 0, nothing, or empty."""
    return bool(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _and(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


def _truncated(text: Any, length: int) -> str:
    return as_text(text)[:length]


def _printf(form: str, *values: Any) -> str:
    """Go's verbs for text and numbers; ``%v`` is ``%s`` here."""
    import re

    texts = tuple(value if isinstance(value, int | float) and value is not True else as_text(value) for value in values)
    return str(re.sub(r"%([-0-9.]*)v", r"%\1s", form).replace("%q", '"%s"') % texts)


FUNCTIONS: dict[str, tuple[int, int, Any]] = {
    "json": (1, 1, json_text),
    "index": (1, _ANY, _index),
    "join": (2, 2, lambda value, between: between.join(as_text(item) for item in value or ())),
    "len": (1, 1, lambda value: len(value or ())),
    "upper": (1, 1, lambda value: as_text(value).upper()),
    "lower": (1, 1, lambda value: as_text(value).lower()),
    "title": (1, 1, lambda value: as_text(value).title()),
    "split": (2, 2, lambda value, between: as_text(value).split(between)),
    "slice": (1, 3, lambda value, start=0, end=None: (value or ())[start:end]),
    "truncate": (2, 2, _truncated),
    "pad": (3, 3, lambda value, before, after: " " * before + as_text(value) + " " * after),
    "print": (0, _ANY, lambda *values: "".join(as_text(value) for value in values)),
    "println": (0, _ANY, lambda *values: " ".join(as_text(value) for value in values) + "\n"),
    "printf": (1, _ANY, _printf),
    "and": (1, _ANY, _and),
    "or": (1, _ANY, _or),
    "not": (1, 1, lambda value: not value),
    "eq": (2, _ANY, lambda value, *others: value in others),
    "ne": (2, 2, lambda value, other: value != other),
    "lt": (2, 2, lambda value, other: value < other),
    "le": (2, 2, lambda value, other: value <= other),
    "gt": (2, 2, lambda value, other: value > other),
    "ge": (2, 2, lambda value, other: value >= other),
}
"""Name -> least and most operands, and what it does."""
