"""Where recipes to look at come from: files, directories with one, standard input."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound, UsageError, reason, remedy
from wherry.build.dockerfile import Recipe, decode, parse
from wherry.build.lint.catalogue import RULES, rule_called
from wherry.build.lint.values import Choices

if TYPE_CHECKING:
    from wherry.base.settings import Settings

__all__ = ["choices_of", "read_recipe", "require_rule"]

_NAMES = ("Dockerfile", "Containerfile", "dockerfile")
_LIMIT = 256 << 20
"""Bytes: a recipe is text that somebody wrote."""


def choices_of(settings: Settings, ignore: tuple[str, ...] = (), enable: tuple[str, ...] = ()) -> Choices:
    """What the settings and the command line say; raises :class:`UsageError` for a rule that does not exist."""
    ignored = tuple(name for word in (*settings.items("lint.ignore"), *ignore) for name in _split(word))
    enabled = tuple(name for word in (*settings.items("lint.enable"), *enable) for name in _split(word))
    for name in (*ignored, *enabled):
        if not _is_foreign(name) and name.lower() != "all":
            require_rule(name)
    return Choices(
        ignore=ignored,
        enable=enabled,
        registries=settings.items("lint.registries"),
        labels=settings.items("lint.labels"),
    )


def require_rule(name: str) -> None:
    """Raise :class:`UsageError`, with the nearest one, unless there is a rule of that name or code."""
    if rule_called(name) is None:
        import difflib

        known = [word for rule in RULES for word in (rule.name, *rule.codes)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else "'wherry lint --rules' lists them"
        raise UsageError(f"there is no rule '{name}'", hint=hint)


def _split(word: str) -> list[str]:
    return [name for name in word.replace(",", " ").split() if name]


def _is_foreign(name: str) -> bool:
    """Numbers of hadolint and ShellCheck that Wherry has no rule for may be ignored, too: recipes are shared."""
    return name[:2].upper() in ("DL", "SC") and name[2:].isdigit()


def read_recipe(name: str, choices: Choices) -> tuple[Recipe, Choices]:
    """The recipe of a file, of a directory or of standard input (``-``), and what its ignore file adds to the choices.

    Raises :class:`NotFound`, :class:`UsageError`, or the parser's own error with line and column.
    """
    if name == "-":
        data = sys.stdin.buffer.read(_LIMIT + 1)
        return parse(_text(data, "standard input"), "standard input"), choices
    path = _in_directory(name) if os.path.isdir(name) else name
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise NotFound(f"cannot read '{path}'", why=reason(error), hint=remedy(error)) from None
    return parse(_text(data, path), path), _with_ignore_file(choices, path)


def _in_directory(folder: str) -> str:
    for name in _NAMES:
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(path):
            return path
    raise NotFound(f"there is no Dockerfile in '{folder}'", hint="name the recipe: wherry lint FILE")


def _text(data: bytes, name: str) -> str:
    if len(data) > _LIMIT:
        raise UsageError(f"'{name}' is too large for a recipe", why=f"more than {_LIMIT >> 20} MiB are not read")
    return decode(data, name)


def _with_ignore_file(choices: Choices, path: str) -> Choices:
    from wherry.build.context import Context, read_ignore

    folder = os.path.dirname(path) or "."
    ignore = read_ignore(Context(folder, folder), path)
    if not ignore:
        return choices

    def left_out(source: str) -> bool:
        return ignore.matches(source) and not ignore.may_hold(source)

    import msgspec

    return msgspec.structs.replace(choices, left_out=left_out)
