"""Ignore files (``.dockerignore``): what of a context counts as not there. The last pattern that matches a path, or a
directory above it, decides (https://docs.docker.com/build/concepts/context/#dockerignore-files).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import UsageError, WherryError, reason
from wherry.build.context.patterns import Glob, clean, has_wildcards

if TYPE_CHECKING:
    from wherry.build.context.opening import Context

__all__ = ["NOTHING", "Ignore", "ignore_of", "parse_ignore", "read_ignore"]

_NAMES = (".dockerignore", ".containerignore")
_MOST_BYTES = 16 << 20


class Line(msgspec.Struct, frozen=True):
    """A pattern as written, and what it does."""

    number: int
    text: str
    glob: Glob
    back: bool


class Ignore:
    """The lines of an ignore file; ``name`` is what messages call it. Safe for several threads."""

    def __init__(self, lines: tuple[Line, ...] = (), name: str = "") -> None:
        self.name = name
        self._lines = lines
        self._literal: dict[str, int] = {}
        wild: list[int] = []
        for position, line in enumerate(lines):
            if line.glob.literal:
                self._literal[line.glob.literal] = position
            else:
                wild.append(position)
        self._wild = tuple(reversed(wild))
        self._folders: dict[str, int] = {}  # what was found for directories, asked again for all in them
        self._backs = tuple(position for position, line in enumerate(lines) if line.back)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def matches(self, path: str, is_dir: bool = False) -> bool:
        """Whether ``path``, relative to the context's root, counts as not there. It is the same for directories, of
        which something may be there all the same: :meth:`may_hold`."""
        return self.ignores(self.last(path))

    def may_hold(self, path: str) -> bool:
        """Whether something below a directory that is ignored may be there, because a later ``!`` brings it back."""
        last = self.last(path)
        return any(
            self._lines[position].glob.may_match_below(path) for position in reversed(self._backs) if position > last
        )

    def line_of(self, path: str) -> tuple[int, str]:
        """The line that ignores ``path``, as it is written."""
        line = self._lines[self.last(path)]
        return line.number, line.text

    def last(self, path: str) -> int:
        """The position of the last line that matches ``path`` or a directory above it, -1 when none does."""
        if not self._lines or not path:  # the root is always there
            return -1
        missing: list[str] = []
        folder = path.rpartition("/")[0]
        while folder and folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        found = self._folders.get(folder, -1)
        for folder in reversed(missing):
            found = self._folders[folder] = self.next(folder, found)
        return self.next(path, found)

    def next(self, path: str, above: int) -> int:
        """The same, where ``above`` is what was found for the directory that ``path`` lies in."""
        found = max(above, self._literal.get(path, -1))
        for position in self._wild:
            if position <= found:
                break
            if self._lines[position].glob.match(path):
                return position
        return found

    def ignores(self, position: int) -> bool:
        """What the line at ``position`` does to what it matches."""
        return position >= 0 and not self._lines[position].back


NOTHING = Ignore()
"""Ignores nothing."""


def read_ignore(context: Context, recipe: str = "") -> Ignore:
    """The ignore file of a context: ``RECIPE.dockerignore`` beside the recipe wins (``recipe`` is
    its path, wherever it lies), then ``.dockerignore`` of the context, then podman's ``.containerignore``.

    Raises :class:`UsageError` for a malformed pattern, :class:`WherryError` for a file that cannot be read.
    """
    places = [f"{recipe}{name}" for name in _NAMES] if recipe else []
    for path in (*places, *(f"{context.root}/{name}" for name in _NAMES)):
        data = _read(path)
        if data is not None:
            return parse_ignore(data, os.path.basename(path))
    return NOTHING


def _read(path: str) -> bytes | None:
    """A link is not followed: it may lead out of the context."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WherryError(f"'{path}' cannot be read", why=reason(error), hint="it must be a plain file") from None
    try:
        with open(descriptor, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise WherryError(f"'{path}' cannot be read", why=reason(error)) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"'{path}' is too large", why=f"an ignore file may have {_MOST_BYTES} bytes")
    return data


def parse_ignore(data: bytes, name: str = ".dockerignore") -> Ignore:
    """Comments, empty lines, a byte order mark and blanks at the ends are nothing; ``/a`` and ``./a`` are ``a``."""
    lines: list[Line] = []
    for number, raw in enumerate(os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).split("\n"), 1):
        text = raw.strip()
        if raw.startswith("#") or not text:
            continue
        back = text.startswith("!")
        pattern = text[1:].strip() if back else text
        try:
            if back and not pattern:
                raise UsageError("'!' is no pattern", why="it takes back nothing")
            lines.append(Line(number, text, Glob(_clean(pattern)), back))
        except UsageError as error:
            raise UsageError(f"line {number} of '{name}': {error.what}", why=error.why, hint=error.hint) from None
    return Ignore(tuple(lines), name)


def _clean(pattern: str) -> str:
    """What leads out of the context, or is its root, matches nothing: it stays as it is."""
    outside = pattern.split("/")[0] == ".." and not has_wildcards(pattern)
    return pattern if outside else clean(pattern) or "."


def ignore_of(patterns: Sequence[str], name: str) -> Ignore:
    """Patterns that were given one by one (``--exclude``)."""
    lines = []
    for number, text in enumerate(patterns, 1):
        back = text.startswith("!")
        lines.append(Line(number, text, Glob(_clean(text[back:])), back))
    return Ignore(tuple(lines), name) if lines else NOTHING
