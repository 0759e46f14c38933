"""One instruction while it is read: its line, its flags, its heredocs, and errors at their place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.build.dockerfile.errors import RecipeError
from wherry.build.dockerfile.expansion import Unreadable, check
from wherry.build.dockerfile.flags import Flags, read_flags
from wherry.build.dockerfile.instructions import Heredoc, Instruction
from wherry.build.dockerfile.lines import SPACES, Lines, Logical
from wherry.build.dockerfile.words import Word, first_word, flag_words, heredocs_in

__all__ = ["Reading", "skipped"]


class Reading:
    """One instruction of a logical line, which begins at ``start``: for ONBUILD's that is not the line's beginning."""

    def __init__(self, lines: Lines, line: Logical, start: int = 0) -> None:
        self.lines = lines
        self.line = line
        self.escape = lines.escape
        self.start = skipped(line.text, start)
        self.word = first_word(line.text, self.start)
        self.name = self.word.upper()
        self.rest = 0
        self.heredocs: tuple[Heredoc, ...] = ()
        self.flags = Flags(line, {})

    def read_flags(self) -> None:
        found, self.rest = flag_words(self.line, self.start + len(self.word))
        self.flags = read_flags(self.line, self.name, found)

    def made(self, kind: Callable[..., Instruction], **fields: Any) -> Instruction:
        """An instruction of that kind, with what all have."""
        return kind(
            position=self.line.position(self.start),
            last_line=self.lines.last_line,
            text=self.line.text[self.start :],
            heredocs=self.heredocs,
            **fields,
        )

    def error(self, offset: int, what: str, *, why: str = "", hint: str = "") -> RecipeError:
        return self.line.error(min(offset, len(self.line.text)), what, why=why, hint=hint)

    @property
    def text(self) -> str:
        """All after the flags."""
        return self.line.text[self.rest :]

    def needs(self, what: str, hint: str) -> None:
        if not self.text:
            raise self.error(self.start, f"{self.name} needs {what}", hint=hint)

    def checked(self, word: Word) -> str:
        """The word, if its quotes and braces are right; it is given a value later."""
        try:
            check(word.text, self.escape)
        except Unreadable as error:
            hint = "write \\$ for the character itself" if "'{'" in error.what else ""
            raise self.error(word.offset + error.offset, error.what, hint=hint) from None
        return word.text

    def flag(self, name: str) -> str:
        """A flag's value, which is a word; empty where it is not said."""
        return "".join(self.flag_values(name))

    def flag_values(self, name: str) -> tuple[str, ...]:
        """All values of a flag that may be said many times."""
        found = self.flags.many(name)
        for word in found:
            try:
                check(word.text, self.escape)
            except Unreadable as error:
                raise self.error(word.offset, f"cannot read '--{name}={word.text}'", why=error.what) from None
        return tuple(word.text for word in found)

    def find_heredocs(self) -> list[tuple[int, int]]:
        """Take the contents of this line's heredocs from the lines that follow; where each word begins and ends."""
        found = heredocs_in(self.line.text, self.rest)
        taken = []
        for heredoc, begin, _ in found:
            whole = self.lines.heredoc(heredoc)
            if whole is None:
                tail = re.split(r"[>|;&)]", heredoc.name)[0]
                hint = f"end it with a line that is {heredoc.name}"
                if tail != heredoc.name:
                    hint = f"put a blank after {tail}: its name goes on to the next blank" if tail else hint
                elif heredoc.name.isdigit():
                    hint = f"if it is a shift in arithmetic, write it without blanks: 1<<{heredoc.name}"
                raise self.error(begin, f"the heredoc '{heredoc.name}' has no end", hint=hint)
            taken.append(whole)
        self.heredocs = tuple(taken)
        return [(begin, end) for _, begin, end in found]


def skipped(text: str, start: int) -> int:
    while start < len(text) and text[start] in SPACES:
        start += 1
    return start
