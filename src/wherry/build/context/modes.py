"""``--chmod``: octal, or symbolic as of chmod(1) (``u=rwX,go=rX``). Pure."""

from __future__ import annotations

import re
import stat

from wherry.base.errors import UsageError

__all__ = ["Chmod", "parse_chmod"]

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_READ = {"u": 0o400, "g": 0o040, "o": 0o004}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


class Chmod:
    """What becomes of modes: ``Chmod("u+x").of(0o100644)`` is ``0o744``."""

    def __init__(self, octal: int | None = None, actions: tuple[tuple[str, str, str], ...] = ()) -> None:
        self._octal = octal
        self._actions = actions

    def of(self, mode: int) -> int:
        """The twelve bits of what has ``mode`` (as of stat(2)); links have none that count."""
        if stat.S_ISLNK(mode):
            return stat.S_IMODE(mode)
        if self._octal is not None:
            return self._octal
        found = stat.S_IMODE(mode)
        for who, sign, what in self._actions:
            found = _changed(found, stat.S_ISDIR(mode), who, sign, what)
        return found


def parse_chmod(text: str) -> Chmod | None:
    """None for no text. Raises :class:`UsageError` for what is neither."""
    if not text:
        return None
    if re.fullmatch(r"[0-7]{1,8}", text) and int(text, 8) <= 0o7777:
        return Chmod(int(text, 8))
    actions: list[tuple[str, str, str]] = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise UsageError(
                f"'{text}' is no mode",
                why="it is neither octal from 0 to 7777 nor of chmod's symbols",
                hint="--chmod=755, or --chmod=u=rwX,go=rX",
            )
        who = found[1] or "a"
        actions += [(who.replace("a", "ugo"), sign, what) for sign, what in _ACTION.findall(found[2])]
    return Chmod(actions=tuple(actions))


def _changed(mode: int, is_dir: bool, who: str, sign: str, what: str) -> int:
    if what in _SHIFT and what:
        letters = "".join(letter for letter, bit in _BITS.items() if mode >> _SHIFT[what] & bit)
    else:
        letters = what.replace("X", "x" if is_dir or mode & 0o111 else "")
    bits = affected = 0
    for each in dict.fromkeys(who):
        affected |= 7 << _SHIFT[each]
        for letter in letters:
            bits |= _BITS.get(letter, 0) << _SHIFT[each]
    special = 0
    if "s" in letters:
        special |= (0o4000 if "u" in who else 0) | (0o2000 if "g" in who else 0)
    if "t" in letters:
        special |= 0o1000
    if sign == "+":
        return mode | bits | special
    if sign == "-":
        return mode & ~(bits | special)
    cleared = affected | (0o4000 if "u" in who else 0) | (0o2000 if "g" in who else 0)
    return mode & ~cleared | bits | special
