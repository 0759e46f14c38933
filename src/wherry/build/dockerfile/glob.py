"""Patterns of ``${name#pattern}`` and its like: ``?`` is any character, ``*`` any number of them, ``\\`` escapes.

A pattern is pieces between stars. Each is looked for once, from left to right, so that time stays in proportion to
the value's length whatever the pattern is; no regular expression with its backtracking is made of the whole.
"""

from __future__ import annotations

import re

__all__ = ["Pattern"]


class _Piece:
    """Characters, None for any one."""

    def __init__(self, letters: tuple[str | None, ...]) -> None:
        self.letters = letters
        self._plain = None if None in letters else "".join(letter or "" for letter in letters)
        self._shape = (
            None
            if self._plain is not None
            else re.compile("".join("." if letter is None else re.escape(letter) for letter in letters), re.DOTALL)
        )

    def __len__(self) -> int:
        return len(self.letters)

    def reversed(self) -> _Piece:
        return _Piece(self.letters[::-1])

    def find(self, value: str, start: int) -> int:
        """Where it first is from ``start`` on; -1: nowhere."""
        if self._shape is None:
            return value.find(self._plain or "", start)
        found = self._shape.search(value, start)
        return found.start() if found else -1

    def is_at(self, value: str, start: int) -> bool:
        if self._shape is None:
            return value.startswith(self._plain or "", start)
        return self._shape.match(value, start) is not None

    def find_last(self, value: str, start: int) -> int:
        """Where it last is, not before ``start``."""
        if self._shape is None:
            return value.rfind(self._plain or "", start)
        behind = self.reversed().find(value[start:][::-1], 0)
        return -1 if behind < 0 else len(value) - behind - len(self)


class Pattern:
    """A pattern as the shells read it, without brackets."""

    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)

    def without_prefix(self, value: str, *, longest: bool) -> str:
        return value[max(_prefix(self._pieces, value, longest), 0) :]

    def without_suffix(self, value: str, *, longest: bool) -> str:
        turned = [piece.reversed() for piece in reversed(self._pieces)]
        return value[: len(value) - max(_prefix(turned, value[::-1], longest), 0)]

    def replaced(self, value: str, by: str, *, every: bool) -> str:
        """The first match, or every one, replaced; a match is as long as it can be."""
        if not any(len(piece) for piece in self._pieces) and len(self._pieces) == 1:
            return value
        found: list[str] = []
        place = 0
        while True:
            start = self._pieces[0].find(value, place)
            # What does not follow the first place where it begins follows no later one.
            end = _rest(self._pieces, value, start + len(self._pieces[0]), True) if start >= 0 else -1
            if end < 0:
                break
            found += [value[place:start], by]
            place = end
            if not every or place >= len(value):
                break
        return "".join(found) + value[place:]


def _pieces(text: str) -> list[_Piece]:
    found: list[list[str | None]] = [[]]
    escaped = False
    for letter in text:
        if escaped:
            found[-1].append(letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "*":
            found.append([])
        else:
            found[-1].append(None if letter == "?" else letter)
    if escaped:
        found[-1].append("\\")
    return [_Piece(tuple(letters)) for letters in found]


def _prefix(pieces: list[_Piece], value: str, longest: bool) -> int:
    """How many characters at the beginning match; -1: none do."""
    return _rest(pieces, value, len(pieces[0]), longest) if pieces[0].is_at(value, 0) else -1


def _rest(pieces: list[_Piece], value: str, place: int, longest: bool) -> int:
    """Where the pieces after the first end when that ends at ``place``; -1: they do not follow."""
    for number, piece in enumerate(pieces[1:], 2):
        last = longest and number == len(pieces)
        start = piece.find_last(value, place) if last else piece.find(value, place)
        if start < 0:
            return -1
        place = start + len(piece)
    return place
