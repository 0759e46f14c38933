"""A logical line to flags, words, JSON lists and heredocs. Words keep quotes and escapes: expansion takes them off."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from wherry.build.dockerfile.instructions import Heredoc, Run
from wherry.build.dockerfile.lines import BLANKS, SPACES, Logical

__all__ = ["Word", "exec_form", "first_word", "flag_words", "heredocs_in", "quoted_words", "script_of", "words"]

_WORD = re.compile(f"[^{BLANKS}]+")
# Expressions that few recipes need are made when one does.
_HERE = rf"""[{SPACES}]+|\\.|'|"|\$\{{|<<[{SPACES}]*|[^{SPACES}\\'"$<]+|."""
_MARK = rf"(\d*)<<(-?)[{SPACES}]*([^<]+)"
_INSIDE = {"}": r"""[}'"\\]|\$\{""", '"': r'["\\]|\$\{'}

MAX_DESCRIPTOR = 1 << 16


class Word(msgspec.Struct, frozen=True):
    """A word and where it begins in its logical line."""

    text: str
    offset: int


def first_word(text: str, start: int) -> str:
    """The word that begins there; empty where a blank, or nothing, is."""
    found = _WORD.match(text, start)
    return found[0] if found else ""


def words(text: str, start: int) -> list[Word]:
    """What is parted by blanks; quotes have no meaning here."""
    return [Word(found[0], found.start()) for found in _WORD.finditer(text, start)]


@cache
def _tokens(escape: str) -> re.Pattern[str]:
    """Blanks, a run of plain characters, an escaped character, a string, or a quote without an end."""
    own = re.escape(escape)
    return re.compile(
        rf"""[{SPACES}]+|[^{SPACES}'"{own}]+|{own}.|{own}|'[^']*'|"(?:[^"{own}]|{own}.)*+"|.""", re.DOTALL
    )


def quoted_words(line: Logical, start: int, escape: str, most: int = -1) -> list[Word]:
    """Words parted by blanks that are neither quoted nor escaped, the first ``most`` of them."""
    found: list[Word] = []
    pieces: list[str] = []
    begin = start
    for token in _tokens(escape).finditer(line.text, start):
        piece = token[0]
        if piece[0] in SPACES:
            if pieces:
                found.append(Word("".join(pieces), begin))
                pieces = []
                if len(found) == most:
                    return found
            continue
        if piece in ("'", '"'):
            raise _unclosed(line, token.start())
        if not pieces:
            begin = token.start()
        if piece != escape:  # one that escapes nothing, at the end, is dropped
            pieces.append(piece)
    return [*found, Word("".join(pieces), begin)] if pieces else found


def _unclosed(line: Logical, offset: int) -> Exception:
    quote = line.text[offset]
    hint = f"write \\{quote} for the character itself"
    return line.error(offset, f"the quote {quote} has no end", hint=hint)


def flag_words(line: Logical, start: int) -> tuple[list[Word], int]:
    """The words in front that begin with ``--``, quotes and backslashes taken off, and where the rest begins.

    A ``--`` by itself ends them.
    """
    found: list[Word] = []
    place = start
    while True:
        while place < len(line.text) and line.text[place] in SPACES:
            place += 1
        if not line.text.startswith("--", place):
            return found, place
        pieces: list[str] = []
        begin = place
        for token in _tokens("\\").finditer(line.text, place):
            piece = token[0]
            if piece[0] in SPACES:
                break
            place = token.end()
            if piece in ("'", '"'):
                raise _unclosed(line, token.start())
            if piece[0] in "'\"":
                piece = re.sub(r"\\(.)", r"\1", piece[1:-1], flags=re.DOTALL)
            elif piece[0] == "\\":
                piece = piece[1:]
            pieces.append(piece)
        text = "".join(pieces)
        if text == "--":
            while place < len(line.text) and line.text[place] in SPACES:
                place += 1
            return found, place
        found.append(Word(text, begin))


def exec_form(line: Logical, start: int) -> tuple[str, ...] | None:
    """The JSON list that the rest of the line is; None: it is something else. A list of other things is refused."""
    text = line.text[start:].strip(SPACES)
    if not text.startswith("["):
        return None
    try:
        found = msgspec.json.decode(text.encode())
    except RecursionError:
        found = [None]
    except msgspec.DecodeError:
        return None
    if not all(isinstance(word, str) for word in found):
        why = "the words of the exec form must be strings in double quotes"
        raise line.error(start, "not a list of strings", why=why)
    for word in found:
        if "\0" in word:
            raise line.error(start, "a zero byte in a word", why="no program can be given one")
    return tuple(found)


def heredocs_in(text: str, start: int) -> list[tuple[Heredoc, int, int]]:
    """The ``<<NAME`` words of a line, without contents, each with where it begins and ends.

    Only whole words count: ``a<<b`` and ``<<<`` are none. A backslash escapes here, whatever the directive says.
    """
    if "<<" not in text:
        return []
    found: list[tuple[Heredoc, int, int]] = []
    begin = place = start
    here = re.compile(_HERE, re.DOTALL)
    while place < len(text):
        token = here.match(text, place)
        assert token is not None
        piece = token[0]
        if piece[0] in SPACES:
            _add(found, text, begin, place)
            begin = token.end()
        place = token.end()
        if piece in ("'", '"', "${"):
            place = _end_of(text, piece, place)
            if place < 0:  # a quote without an end: BuildKit, too, sees no heredoc in such a line
                return []
    _add(found, text, begin, place)
    return found


def script_of(run: Run) -> Heredoc | None:
    """The heredoc that is all of a command: a script then, for the shell or for what its ``#!`` names."""
    text = run.command.text
    if len(run.heredocs) != 1 or run.command.words is not None:
        return None
    found = heredocs_in(text, 0)
    return run.heredocs[0] if [(begin, end) for _, begin, end in found] == [(0, len(text))] else None


def _end_of(text: str, opened: str, place: int) -> int:
    """Where a quoted piece or ``${...}`` ends, with what is nested in it; -1 where it does not."""
    if opened == "'":
        return text.find("'", place) + 1 or -1
    inside = ['"' if opened == '"' else "}"]
    while inside:
        token = re.compile(_INSIDE[inside[-1]]).search(text, place)
        if token is None:
            return -1
        place = token.end()
        if token[0] == inside[-1]:
            inside.pop()
        elif token[0] == "\\":
            place += 1
        elif token[0] == "'":
            place = text.find("'", place) + 1
            if not place:
                return -1
        else:
            inside.append('"' if token[0] == '"' else "}")
    return place


def _add(found: list[tuple[Heredoc, int, int]], text: str, begin: int, end: int) -> None:
    word = re.compile(_MARK, re.DOTALL).fullmatch(text, begin, end)
    if word is None:
        return
    pieces, plain = [], True
    for token in _tokens("\\").finditer(word[3]):
        piece = token[0]
        if piece[0] in "'\"":
            plain = False
            piece = piece[1:-1] if piece[0] == "'" else re.sub(r'\\(["$\\])', r"\1", piece[1:-1])
        elif piece[0] == "\\":
            piece = piece[1:]
        pieces.append(piece)
    name = "".join(pieces)
    if not name or len(word[1]) > len(str(MAX_DESCRIPTOR)):
        return
    found.append((Heredoc(name, "", plain, bool(word[2]), int(word[1] or 0)), begin, end))
