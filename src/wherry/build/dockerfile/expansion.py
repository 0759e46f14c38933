"""Words to values: variables, quotes and escapes (reference: "Environment replacement").

A word is read once into parts, which are then given values: a default that is not needed is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

import msgspec

from wherry.build.dockerfile.errors import RecipeError
from wherry.build.dockerfile.lines import SPACES

__all__ = ["Expanded", "Unreadable", "check", "expand", "expand_text", "expand_words"]

DEEPEST = 64
"""``${a:-${b:-...}}`` further inside one another than this is refused."""


class Expanded(msgspec.Struct, frozen=True):
    """A word's value; ``used`` are the variables that it was made of, ``missing`` those that are not set and have no
    default in the word."""

    text: str
    used: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


class Unreadable(Exception):
    """What is wrong with a word, and where in it."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


class _Text:
    """``quoted`` (or escaped): blanks in it part no words."""

    __slots__ = ("quoted", "text")

    def __init__(self, text: str, quoted: bool = False) -> None:
        self.text = text
        self.quoted = quoted


class _Variable:
    """``operator`` is one of ``- + ? # ## % %% / //``, or empty; ``strict``: with a colon, empty counts as unset."""

    __slots__ = ("name", "operator", "replacement", "strict", "word")

    def __init__(
        self, name: str, operator: str = "", strict: bool = False, word: _Parts = (), replacement: _Parts = ()
    ) -> None:
        self.name = name
        self.operator = operator
        self.strict = strict
        self.word = word
        self.replacement = replacement


class _Quoted:
    __slots__ = ("parts",)

    def __init__(self, parts: _Parts) -> None:
        self.parts = parts


_Parts: TypeAlias = tuple[_Text | _Variable | _Quoted, ...]

_SPECIAL = "@*#?-$!"
_UNENDED = "the '{' of a variable has no '}'"


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> Expanded:
    """The value of a word; raises :class:`RecipeError`, without a position, for what cannot be read or must be set."""
    if not _is_marked(word, escape):
        return Expanded(word)
    values = _Values(variables)
    text = values.text(_read(word, escape))
    return Expanded(text, frozenset(values.used), frozenset(values.missing))


def expand_words(word: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The words that a word becomes: blanks in it and in its variables part words, those in quotes do not."""
    if not _is_marked(word, escape):
        return word.split()
    found: list[str] = []
    pieces: list[str] = []
    for text, quoted in _Values(variables).pieces(_read(word, escape)):
        if quoted:
            pieces.append(text)
            continue
        first, *others = re.split(f"[{SPACES}]+", text)
        pieces.append(first)
        for piece in others:
            found.append("".join(pieces))
            pieces = [piece]
    return [word for word in (*found, "".join(pieces)) if word]


def expand_text(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A heredoc's content: variables and escapes count, quotes are themselves."""
    if "$" not in text and escape not in text:
        return text
    return _Values(variables).text(_read(text, escape, quotes=False))


def check(word: str, escape: str) -> None:
    """Raise :class:`Unreadable` where a word's quotes or braces are wrong."""
    if _is_marked(word, escape):
        _Reader(word, escape).parts()


def _is_marked(word: str, escape: str) -> bool:
    return "$" in word or "'" in word or '"' in word or escape in word


def _read(word: str, escape: str, quotes: bool = True) -> _Parts:
    try:
        return _Reader(word, escape, quotes).parts()
    except Unreadable as error:
        shown = word if len(word) <= 60 else f"{word[:60]}..."
        raise RecipeError(f"cannot read '{shown}'", why=error.what) from None


@cache
def _plain(escape: str, end: str, quotes: bool) -> re.Pattern[str]:
    """A run of characters without a meaning, up to ``end``."""
    marks = re.escape(f"${escape}{end}" + ("'\"" if quotes else ""))
    return re.compile(f"[^{marks}]+")


class _Reader:
    def __init__(self, text: str, escape: str, quotes: bool = True) -> None:
        self._text = text
        self._escape = escape
        self._quotes = quotes
        self._place = 0
        self._depth = 0

    def parts(self, end: str = "", keep: bool = False, opened: int = 0) -> _Parts:
        """Up to ``end``, or to the end of all. ``keep``: backslashes stay, since they mean something to a pattern.
        ``opened`` is where what ends there began."""
        text, escape = self._text, self._escape
        keep = keep and escape == "\\"
        plain = _plain(escape, end, self._quotes)
        found: list[_Text | _Variable | _Quoted] = []
        while self._place < len(text):
            run = plain.match(text, self._place)
            if run:
                found.append(_Text(run[0]))
                self._place = run.end()
                continue
            letter = text[self._place]
            if letter == end:
                self._place += 1
                return tuple(found)
            if letter == "$":
                found.append(self._variable())
            elif letter == escape:
                found.append(self._escaped(keep))
            elif letter == "'":
                found.append(self._single())
            else:
                found.append(self._double(keep))
        if end:
            raise Unreadable(_UNENDED if end == "}" else "a pattern is followed by '/' and what replaces it", opened)
        return tuple(found)

    def _escaped(self, keep: bool) -> _Text:
        letter = self._text[self._place + 1 : self._place + 2]
        self._place += 2
        return _Text(self._escape + letter if keep else letter, quoted=True)

    def _single(self) -> _Text:
        end = self._text.find("'", self._place + 1)
        if end < 0:
            raise Unreadable("the quote ' has no end", self._place)
        found = _Text(self._text[self._place + 1 : end], quoted=True)
        self._place = end + 1
        return found

    def _double(self, keep: bool) -> _Quoted:
        text, escape = self._text, self._escape
        plain = _plain(escape, '"', False)
        begin = self._place
        self._place += 1
        found: list[_Text | _Variable | _Quoted] = []
        while self._place < len(text):
            run = plain.match(text, self._place)
            if run:
                found.append(_Text(run[0]))
                self._place = run.end()
                continue
            letter = text[self._place]
            if letter == '"':
                self._place += 1
                return _Quoted(tuple(found))
            if letter == "$":
                found.append(self._variable())
                continue
            after = text[self._place + 1 : self._place + 2]
            if after in ('"', "$", escape):
                found.append(_Text(escape + after if keep else after))
                self._place += 2
            else:  # it escapes nothing else, and is then itself
                found.append(_Text(escape * 2 if keep else escape))
                self._place += 1
        raise Unreadable('the quote " has no end', begin)

    def _name(self) -> str:
        text, place = self._text, self._place
        letter = text[place : place + 1]
        run = re.compile(r"\d+" if letter.isdecimal() else r"\w+").match(text, place)
        name = run[0] if run else letter if letter and letter in _SPECIAL else ""
        self._place += len(name)
        return name

    def _variable(self) -> _Text | _Variable:
        begin = self._place
        self._place += 1
        if not self._text.startswith("{", self._place):
            name = self._name()
            return _Variable(name) if name else _Text("$")
        self._place += 1
        name = self._name()
        if self._place >= len(self._text):
            raise Unreadable(_UNENDED, begin)
        letter = self._text[self._place]
        if not name:
            raise Unreadable("there is no name after '${'", begin)
        self._place += 1
        if letter == "}":
            return _Variable(name)
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable(f"variables are nested more than {DEEPEST} times", begin)
        found = self._modified(name, letter, begin)
        self._depth -= 1
        return found

    def _modified(self, name: str, letter: str, begin: int) -> _Variable:
        """What follows the name: an operator and its word."""
        strict = letter == ":"
        if strict:
            letter = self._text[self._place : self._place + 1]
            self._place += 1
        if letter in ("-", "+", "?"):
            return _Variable(name, letter, strict, self.parts("}", False, begin))
        if letter and letter in "#%":
            operator = self._doubled(letter)
            return _Variable(name, operator, False, self.parts("}", True, begin))
        if letter == "/" and not strict:
            operator = self._doubled(letter)
            pattern = self.parts("/", True, begin)
            return _Variable(name, operator, False, pattern, self.parts("}", True, begin))
        said = f":{letter}" if strict else letter
        raise Unreadable(f"'{said}' after the name of a variable has no meaning", self._place - 1)

    def _doubled(self, letter: str) -> str:
        if self._text.startswith(letter, self._place):
            self._place += 1
            return letter * 2
        return letter


class _Values:
    """Gives parts their values, and remembers which variables it took."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def text(self, parts: _Parts) -> str:
        return "".join(text for text, _ in self.pieces(parts))

    def pieces(self, parts: _Parts) -> list[tuple[str, bool]]:
        """Texts, and whether blanks in them are part of a word."""
        found = []
        for part in parts:
            if isinstance(part, _Text):
                found.append((part.text, part.quoted))
            elif isinstance(part, _Quoted):
                found.append((self.text(part.parts), True))
            else:
                found.append((self._value(part), False))
        return found

    def _value(self, variable: _Variable) -> str:
        name, operator = variable.name, variable.operator
        value = self._variables.get(name)
        if value is not None:
            self.used.add(name)
        empty = value is None or (variable.strict and not value)
        if operator == "-":
            return self.text(variable.word) if value is None or empty else value
        if operator == "+":
            return "" if empty else self.text(variable.word)
        if operator == "?":
            if value is None or empty:
                said = self.text(variable.word) or ("must not be empty" if value is not None else "must be set")
                raise RecipeError(
                    f"the variable '{name}'", why=said, hint=f"--build-arg {name}=VALUE, after 'ARG {name}'"
                )
            return value
        if value is None:
            self.missing.add(name)
            return ""
        if not operator:
            return value
        from wherry.build.dockerfile.glob import Pattern

        pattern = Pattern(self.text(variable.word))
        if operator[0] == "#":
            return pattern.without_prefix(value, longest=len(operator) == 2)
        if operator[0] == "%":
            return pattern.without_suffix(value, longest=len(operator) == 2)
        return pattern.replaced(value, self.text(variable.replacement), every=len(operator) == 2)
