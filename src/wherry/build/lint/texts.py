"""Where words stand in a recipe: logical lines put together again so that each character knows its line and column."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from wherry.build.dockerfile.instructions import Instruction, Position, Recipe

__all__ = ["Located", "heredoc_bodies", "keyword", "locate", "logical_line"]


class Located(msgspec.Struct, frozen=True):
    """A text from several lines; ``starts`` are (offset in the text, line, column) where each piece begins."""

    text: str
    starts: tuple[tuple[int, int, int], ...]

    def position(self, offset: int) -> Position:
        start, line, column = self.starts[max(bisect_right(self.starts, (offset, 1 << 60, 0)) - 1, 0)]
        return Position(line, column + max(offset - start, 0))

    def after(self, offset: int) -> Located:
        """The text from there on, its offsets counted anew."""
        moved = [(start - offset, line, column) for start, line, column in self.starts if start > offset]
        here = self.position(offset)
        return Located(self.text[offset:], ((0, here.line, here.column), *moved))


def logical_line(recipe: Recipe, instruction: Instruction) -> tuple[Located, int]:
    """The instruction's lines joined as Docker joins them (comments between them left out), and the last of them."""
    escape = recipe.directives.escape or "\\"
    pieces: list[str] = []
    starts: list[tuple[int, int, int]] = []
    length = 0
    number = instruction.position.line
    for number in range(instruction.position.line, min(instruction.last_line, len(recipe.lines)) + 1):
        line = recipe.lines[number - 1].rstrip("\r\n")
        first = number == instruction.position.line
        if not first and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begin = instruction.position.column - 1 if first else 0
        stripped = line.rstrip()
        goes_on = stripped.endswith(escape)
        piece = stripped[begin:-1] if goes_on else line[begin:]
        starts.append((length, number, begin + 1))
        pieces.append(piece)
        length += len(piece)
        if not goes_on:
            break
    return Located("".join(pieces), tuple(starts) or ((0, instruction.position.line, 1),)), number


_KEYWORD = re.compile(r"\s*([A-Za-z]+)\s*((?:--[a-z][\w-]*(?:=(?:\"[^\"]*\"|'[^']*'|\S)*)?\s+)*)")


def keyword(text: str) -> tuple[str, int]:
    """The instruction's name as written, and where what follows its flags begins."""
    found = _KEYWORD.match(text)
    return (found[1], found.end()) if found else ("", 0)


def heredoc_bodies(recipe: Recipe, instruction: Instruction) -> Iterator[Located]:
    """The contents of the instruction's heredocs in order."""
    _, last = logical_line(recipe, instruction)
    line = last + 1
    for heredoc in instruction.heredocs:
        starts = []
        length = 0
        for index, piece in enumerate(heredoc.content.splitlines(keepends=True)):
            whole = recipe.lines[line - 1 + index] if line - 1 + index < len(recipe.lines) else piece
            starts.append((length, line + index, max(len(whole.rstrip("\r\n")) - len(piece.rstrip("\r\n")), 0) + 1))
            length += len(piece)
        yield Located(heredoc.content, tuple(starts) or ((0, line, 1),))
        line += len(starts) + 1


def locate(recipe: Recipe, instruction: Instruction, word: str) -> Position:
    """Where ``word`` stands in the instruction as a whole word, else as a part; else where the instruction begins."""
    located, _ = logical_line(recipe, instruction)
    _, begin = keyword(located.text)
    if not word:
        return instruction.position
    bounded = re.compile(rf"(?<![\w./-]){re.escape(word)}(?![\w./-])")
    found = bounded.search(located.text, min(begin, 1))
    at = found.start() if found else located.text.find(word)
    return instruction.position if at < 0 else located.position(at)
