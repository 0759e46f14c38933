"""Patterns of paths: Go's ``filepath.Match`` for sources, and with ``**`` and ``!`` for ignore files. Pure.

No pattern may take longer than its length times the name's: they come with contexts that a stranger wrote. So what a
star matches is never tried again (atomic groups), and ``**`` is looked for part by part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wherry.base.errors import UsageError

__all__ = ["Glob", "clean", "has_wildcards", "matcher", "unescaped"]

_DEEP = "**"
_MOST_ODD = 8
"""``**`` within a name (``a**b``) can be many things, so only so many of these in a pattern."""


def has_wildcards(text: str) -> bool:
    """Whether ``*``, ``?`` or ``[`` stand in it without a backslash before them."""
    return re.search(r"(?<!\\)(?:\\\\)*[*?\[]", text) is not None


def unescaped(text: str) -> str:
    """A pattern without wildcards as the name that it means."""
    return re.sub(r"\\(.)", r"\1", text)


def clean(path: str) -> str:
    """As Go's ``filepath.Clean`` below a root: no ``.``, ``..``, slashes in a row; empty for the root itself."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def matcher(part: str) -> re.Pattern[str]:
    """Of one part of a path: ``*`` and ``?`` are anything but a slash. Raises :class:`UsageError`."""
    return re.compile(_translated(part) + r"\Z", re.DOTALL)


class Glob:
    """A pattern of whole paths with ``**`` as moby's ``patternmatcher`` has it."""

    __slots__ = ("_match", "_parts", "literal", "parts", "text")

    def __init__(self, text: str) -> None:
        """``text`` is clean. Raises :class:`UsageError` when it is malformed."""
        self.text = text
        self.parts = text.split("/")
        self.literal = "" if has_wildcards(text) or "\\" in text else text
        self._parts: list[re.Pattern[str] | None] | None = None
        self._match: re.Pattern[str] | None = None
        deep = sum(part == _DEEP for part in self.parts)
        odd = sum(part.count(_DEEP) for part in self.parts if part != _DEEP)
        if self.literal:
            return
        if odd:
            self._match = self._odd(deep + odd)
        elif deep == 0:
            self._match = re.compile("/".join(map(_translated, self.parts)) + r"\Z", re.DOTALL)
        elif deep == 1 and self.parts[0] == _DEEP and len(self.parts) == 2:
            self._match = re.compile(rf"(?:.*/)?{_translated(self.parts[1])}\Z", re.DOTALL)
        else:
            self._parts = [None if part == _DEEP else matcher(part) for part in self.parts]

    def match(self, path: str) -> bool:
        """Whether the whole ``path`` matches (not whether one above it does)."""
        if self.literal:
            return path == self.literal
        if self._match is not None:
            return self._match.match(path) is not None
        assert self._parts is not None
        return _match_parts(self._parts, path.split("/"))

    def may_match_below(self, folder: str) -> bool:
        """Whether something below ``folder`` could match."""
        names = folder.split("/")
        for position, name in enumerate(names):
            if position >= len(self.parts):
                return False
            part = self.parts[position]
            if _DEEP in part:
                return True
            if (matcher(part).match(name) is None) if has_wildcards(part) or "\\" in part else part != name:
                return False
        return len(self.parts) > len(names)

    def _odd(self, deep: int) -> re.Pattern[str]:
        """``**`` beside other characters: it is ``(.*/)?`` there, and at the very beginning any text."""
        if deep > _MOST_ODD:
            raise UsageError(f"'{self.text}' is no pattern", why=f"'**' stands in it more than {_MOST_ODD} times")
        first, *rest = self.text.split(_DEEP)
        if not first and len(rest) == 1 and not has_wildcards(rest[0]) and "\\" not in rest[0]:
            return re.compile(rf".*{re.escape(rest[0])}\Z", re.DOTALL)
        whole = _translated(first)
        for number, piece in enumerate(rest):
            last = number == len(rest) - 1 and piece in ("", "/")
            whole += ".*" if last else "(?:.*/)?" + _translated(piece.removeprefix("/"))
        return re.compile(whole + r"\Z", re.DOTALL)


def _match_parts(parts: Sequence[re.Pattern[str] | None], names: list[str]) -> bool:
    """As a glob over whole names: what ``**`` took may only grow. At the end it takes one name at least."""
    part = name = 0
    back_part, back_name = -1, 0
    while name < len(names):
        if part < len(parts):
            wanted = parts[part]
            if wanted is None:
                if part == len(parts) - 1:
                    return True
                back_part, back_name = part, name
                part += 1
                continue
            if wanted.match(names[name]) is not None:
                part, name = part + 1, name + 1
                continue
        if back_part < 0:
            return False
        back_name += 1
        part, name = back_part + 1, back_name
    return part == len(parts)


def _translated(text: str) -> str:
    """A regular expression; what stands between two stars is found where it comes first, once and for all."""
    pieces: list[str] = []
    current: list[str] = []
    stars = 0
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*":
            pieces.append(_after_star("".join(current), stars))
            current, stars = [], stars + 1
        elif char == "?":
            current.append("[^/]")
        elif char == "[":
            found, position = _class(text, position)
            current.append(found)
        elif char == "\\":
            if position == len(text):
                raise _malformed(text, "it ends with a backslash")
            current.append(re.escape(text[position]))
            position += 1
        else:
            current.append(re.escape(char))
    last = "".join(current)
    return "".join(pieces) + (f"[^/]*{last}" if stars else last)


def _after_star(piece: str, stars: int) -> str:
    return (f"(?>[^/]*?{piece})" if piece else "") if stars else piece


def _class(text: str, position: int) -> tuple[str, int]:
    """``[a-z]`` or ``[^a-z]``, and where it ends."""
    start = position
    negated = text[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while text[position : position + 1] != "]" or not ranges:
        low, position = _member(text, position, start)
        high = low
        if text[position : position + 1] == "-":
            high, position = _member(text, position + 1, start)
        if low <= high:
            ranges.append(f"{_escaped(low)}-{_escaped(high)}")
        else:
            ranges.append("")  # Go takes such a range for one without members
    members = "".join(ranges)
    if not members:
        return ("[^/]" if negated else r"(?!)"), position + 1
    return (f"[^/{members}]" if negated else f"(?!/)[{members}]"), position + 1


def _member(text: str, position: int, start: int) -> tuple[str, int]:
    char = text[position : position + 1]
    if char == "\\":
        position += 1
        char = text[position : position + 1]
    elif char in ("-", "]"):
        raise _malformed(text, f"'{char}' stands where a character of '[' is expected")
    if not char:
        raise _malformed(text, f"the '[' at character {start} has no end")
    return char, position + 1


def _escaped(char: str) -> str:
    return f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"


def _malformed(text: str, why: str) -> UsageError:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return UsageError(f"'{shown}' is no pattern", why=why, hint="a backslash before a character takes it as it is")
