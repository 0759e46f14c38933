"""The words of the linter: rules as data, what they find, and what a user may set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.build.dockerfile.instructions import Position

if TYPE_CHECKING:
    from wherry.build.lint.view import View

__all__ = ["LEVELS", "Choices", "Finding", "Found", "Rule"]

LEVELS = ("error", "warning", "info")
"""The worst first."""


class Found(msgspec.Struct, frozen=True):
    """What a rule's check yields. ``code`` says which of the rule's codes it is (several: with blanks between), where
    they differ, as by package manager; empty: none of them; None: all of them."""

    position: Position
    message: str
    hint: str = ""
    code: str | None = None


class Rule(msgspec.Struct, frozen=True):
    """One rule. ``codes`` are its names elsewhere: hadolint's and ShellCheck's numbers, BuildKit's checks.

    ``sentence`` says what is wrong, ``reason`` what it costs. An ``optional`` rule runs only where it was asked for.
    """

    name: str
    codes: tuple[str, ...]
    level: str
    sentence: str
    reason: str
    check: Callable[[View], Iterator[Found]]
    optional: bool = False

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is the rule's name or one of its codes; case does not count."""
        return name.lower() in (self.name, *(code.lower() for code in self.codes))


class Finding(msgspec.Struct, frozen=True):
    """One complaint: where, what, and what to write instead."""

    file: str
    position: Position
    rule: str
    codes: tuple[str, ...]
    level: str
    message: str
    hint: str
    line: str
    """The line of the recipe, with whatever looks like a secret made unreadable."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says besides the recipe. Names of rules may be codes.

    ``registries`` are those that images may come from (none: any). ``labels`` are those that an image must have.
    ``left_out`` says whether the context's ignore file leaves a path out (None: there is no such file at hand).
    """

    ignore: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    left_out: Callable[[str], bool] | None = None
