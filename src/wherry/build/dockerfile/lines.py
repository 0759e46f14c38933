"""Lines of a recipe to logical lines: parser directives, comments, joined lines, and the contents of heredocs.

(reference: "Format", "Parser directives", "escape", "Here-Documents"; what it leaves open is as BuildKit does it.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial

from wherry.build.dockerfile.errors import RecipeError
from wherry.build.dockerfile.instructions import Directives, Heredoc, Position

__all__ = ["BLANKS", "MAX_CHARACTERS", "SPACES", "Lines", "Logical", "ended"]

MAX_CHARACTERS = 4 << 20
"""A recipe is written by people: one that is longer is something else, and is not worth minutes of reading."""

BLANKS = "\t\v\f\r "
"""What parts an instruction's words; a no-break space does not."""
SPACES = (
    BLANKS
    + "\n\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What does not count at the ends of a line: Unicode's white space."""


class Logical:
    """A logical line: its text, and where in the recipe each part of it stands."""

    __slots__ = ("_places", "_starts", "last_line", "text")

    def __init__(self, text: str, starts: list[int], places: list[tuple[int, int]], last_line: int) -> None:
        self.text = text
        self.last_line = last_line
        self._starts = starts
        self._places = places

    def position(self, offset: int) -> Position:
        part = max(bisect_right(self._starts, offset) - 1, 0)
        line, column = self._places[part]
        return Position(line, column + offset - self._starts[part])

    def error(self, offset: int, what: str, *, why: str = "", hint: str = "") -> RecipeError:
        """An error about what stands at ``offset`` of the text."""
        return RecipeError(what, self.position(offset), why=why, hint=hint)


class Lines:
    """Reads a recipe from its first line to its last; raises :class:`RecipeError` with positions."""

    def __init__(self, text: str, escape: str = "\\") -> None:
        text = text.removeprefix("\ufeff")
        if len(text) > MAX_CHARACTERS:
            raise RecipeError(
                f"the recipe has {len(text)} characters",
                Position(1),
                why=f"{MAX_CHARACTERS} are the most",
                hint="put data into files and COPY them",
            )
        self._raw = text.split("\n")
        if not self._raw[-1]:
            self._raw.pop()
        self.lines = tuple(line.rstrip("\r") for line in self._raw)
        self.comments: list[tuple[int, str]] = []
        self.escape = escape
        self._next = 0
        self._suspect = "\0" in text or not _is_unicode(text)

    def directives(self) -> Directives:
        """The parser directives, which stand before anything else; afterwards :attr:`escape` is set."""
        found: dict[str, str] = {}
        while self._next < len(self.lines):
            bare = self.lines[self._next].strip(SPACES)
            key, equals, value = bare.removeprefix("#").partition("=")
            key, value = key.strip(SPACES).lower(), value.strip(SPACES)
            if not bare.startswith("#") or not equals or not value or key not in ("syntax", "escape", "check"):
                break
            at = Position(self._next + 1, self.lines[self._next].index("#") + 1)
            if key in found:
                raise RecipeError(f"the directive '{key}' is given twice", at, hint="leave one of them out")
            if key == "escape" and value not in ("\\", "`"):
                raise RecipeError(f"'{value}' cannot be the escape character", at, hint="# escape=\\ or # escape=`")
            self._check(self.lines[self._next], partial(_column, self._next + 1))
            found[key] = value
            self._next += 1
        self.escape = found.get("escape", self.escape)
        return Directives(**found)

    def read(self) -> Logical | None:
        """The next logical line that says something; None at the end."""
        while self._next < len(self.lines):
            line = self.lines[self._next]
            self._next += 1
            if not line:
                continue
            bare = line.lstrip(SPACES)
            if bare.startswith("#"):
                self._comment(bare)
                continue
            piece, more = self._without_escape(bare)
            if piece or more:
                starts, places = [0], [(self._next, len(line) - len(bare) + 1)]
                pieces = [piece]
                if more:
                    self._join(pieces, starts, places)
                text = "".join(pieces)
                found = Logical(text.rstrip(SPACES), starts, places, self._next)
                if found.text.lstrip(SPACES):
                    self._check(found.text, found.position)
                    return found
        return None

    def _join(self, pieces: list[str], starts: list[int], places: list[tuple[int, int]]) -> None:
        """Add the lines that go on from one that ends with the escape character."""
        length = len(pieces[0])
        more = True
        while more and self._next < len(self.lines):
            line = self.lines[self._next]
            self._next += 1
            bare = line.lstrip(SPACES)
            if bare.startswith("#"):
                self._comment(bare)
            elif bare:
                piece, more = self._without_escape(line)
                pieces.append(piece)
                starts.append(length)
                places.append((self._next, 1))
                length += len(piece)

    def _without_escape(self, line: str) -> tuple[str, bool]:
        """The line without the escape character at its end, and whether it had one; two in a row are none."""
        bare = line.rstrip(" \t")
        if bare.endswith(self.escape) and not bare.endswith(self.escape * 2):
            return bare[:-1], True
        return line, False

    def _comment(self, bare: str) -> None:
        self.comments.append((self._next, bare[1:].strip(SPACES)))

    def heredoc(self, heredoc: Heredoc) -> Heredoc | None:
        """The same with its content, which is what follows; None where its end is missing."""
        first = self._next
        for number in range(first, len(self.lines)):
            end = self.lines[number]
            if (end.lstrip("\t") if heredoc.dedent else end) == heredoc.name:
                taken = self._raw[first:number]
                if heredoc.dedent:
                    taken = [line.lstrip("\t") for line in taken]
                self._next = number + 1
                if self._suspect:
                    for place, line in enumerate(taken, first + 1):
                        self._check(line, partial(_column, place))
                content = "".join(f"{line}\n" for line in taken)
                return Heredoc(heredoc.name, content, heredoc.expand, heredoc.dedent, heredoc.descriptor)
        return None

    @property
    def last_line(self) -> int:
        """The line that was read last."""
        return self._next

    def _check(self, text: str, position: Callable[[int], Position]) -> None:
        """Refuse what no program could be given: bytes that are no UTF-8, and zero bytes."""
        if not self._suspect:
            return
        if "\0" in text:
            raise RecipeError("a zero byte in the recipe", position(text.index("\0")), hint="is it a text file?")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            byte = ord(text[error.start]) & 0xFF
            raise RecipeError(
                f"the byte 0x{byte:02x} is no UTF-8",
                position(error.start),
                hint="iconv -f latin1 -t utf-8 makes UTF-8 of Latin-1",
            ) from None


def ended(line: str, escape: str) -> str:
    """The line so that none goes on behind it, also where it ends with the escape character: a blank that does not
    count follows that."""
    return f"{line}\v" if line.endswith(escape) and not line.endswith(escape * 2) else line


def _column(line: int, offset: int) -> Position:
    return Position(line, offset + 1)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
