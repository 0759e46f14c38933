"""What is wrong with a recipe, and where: ``Dockerfile:12:5: unknown instruction 'RUM'``, with the line and a caret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wherry.base.errors import WherryError
from wherry.build.dockerfile.instructions import Position

__all__ = ["RecipeError", "nearest", "placed"]

WIDTH = 100
"""Of a longer line only what is around the place is shown."""


class RecipeError(WherryError):
    """The recipe cannot be read, or does not mean what it says.

    Made with or without a place; :meth:`at` gives it one, and :meth:`within` the name and the line to show.
    """

    def __init__(self, what: str, position: Position | None = None, *, why: str = "", hint: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.position = position
        self._is_named = False

    def at(self, position: Position) -> RecipeError:
        return type(self)(self.what, position, why=self.why, hint=self.hint)

    def within(self, name: str, lines: Sequence[str]) -> RecipeError:
        """The same with the recipe's name in front and its line below; an error that has them is left alone."""
        if self.position is None or self._is_named:
            return self
        line, column = self.position.line, self.position.column
        error = type(self)(f"{name}:{line}:{column}: {self.what}", self.position, why=self.why, hint=self.hint)
        error._is_named = True
        if 0 < line <= len(lines):
            error.shown = _excerpt(lines[line - 1], line, column)
        return error


def placed(error: WherryError, position: Position, name: str, lines: Sequence[str]) -> WherryError:
    """Any error with its place in the recipe in front and the line below; one that has its place is left alone."""
    line, column = position.line, position.column
    if not error.what.startswith(f"{name}:{line}:"):
        error.what = f"{name}:{line}:{column}: {error.what}"
        if 0 < line <= len(lines) and not error.shown:
            error.shown = _excerpt(lines[line - 1], line, column)
    return error


def _excerpt(text: str, line: int, column: int) -> tuple[str, str]:
    first = 0 if column <= WIDTH else column - WIDTH // 2
    # What has no shape of its own takes one place, or the caret would stand elsewhere.
    piece = "".join(
        letter if letter.isprintable() else " " if letter == "\t" else "?" for letter in text[first:][:WIDTH]
    )
    before, after = "..." if first else "", "..." if first + WIDTH < len(text) else ""
    margin = f"{line} | {before}"
    return f"{margin}{piece}{after}", f"{' ' * (len(str(line)) + 1)}| {' ' * (len(before) + column - 1 - first)}^"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty where none is near."""
    import difflib

    found = difflib.get_close_matches(word[:64], sorted(known), 1, 0.6)
    return found[0] if found else ""
