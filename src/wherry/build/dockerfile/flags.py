"""Flags of instructions (``COPY --from=build``): which there are, what they take, what a wrong one was meant to be."""

from __future__ import annotations

import msgspec

from wherry.build.dockerfile.errors import RecipeError, nearest
from wherry.build.dockerfile.lines import Logical
from wherry.build.dockerfile.words import Word

__all__ = ["KNOWN", "Flags", "read_flags"]

_COPY = {"chown": "text", "chmod": "text", "link": "switch", "exclude": "many"}
KNOWN: dict[str, dict[str, str]] = {
    "FROM": {"platform": "text"},
    "RUN": {"mount": "many", "network": "text", "security": "text", "device": "many"},
    "COPY": {**_COPY, "from": "text", "parents": "switch"},
    "ADD": {**_COPY, "checksum": "text", "keep-git-dir": "switch", "unpack": "switch"},
    "HEALTHCHECK": dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), "text"),
}


class Flags(msgspec.Struct, frozen=True):
    """What an instruction's flags say, by name without dashes; each value knows where its flag stands."""

    line: Logical
    said: dict[str, list[Word]]

    def text(self, name: str) -> str:
        return self.said[name][0].text if name in self.said else ""

    def many(self, name: str) -> list[Word]:
        return self.said.get(name, [])

    def switch(self, name: str) -> bool | None:
        """None: not said."""
        return self.text(name) == "true" if name in self.said else None

    def error(self, name: str, what: str, *, why: str = "", hint: str = "") -> RecipeError:
        return self.line.error(self.said[name][0].offset, what, why=why, hint=hint)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """A flag's value, which is one of ``choices``; empty where it is not said."""
        value = self.text(name)
        if name in self.said and value not in choices:
            near = nearest(value, choices)
            hint = f"did you mean '{near}'?" if near else f"one of {', '.join(choices)}"
            raise self.error(name, f"'--{name}' cannot be '{value}'", hint=hint)
        return value


def read_flags(line: Logical, instruction: str, words: list[Word]) -> Flags:
    """The flags by name; raises :class:`RecipeError` for one that the instruction does not have, or has twice."""
    known = KNOWN.get(instruction, {})
    said: dict[str, list[Word]] = {}
    for word in words:
        name, equals, value = word.text[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            raise _unknown(line, instruction, name, word.offset)
        if name in said and kind != "many":
            raise line.error(word.offset, f"the flag '--{name}' is given twice", hint="leave one of them out")
        if kind == "switch":
            value = value.lower() if equals else "true"
            if value not in ("true", "false"):
                raise line.error(word.offset, f"'--{name}' is true or false, not '{value}'", hint=f"--{name}")
        elif not equals:
            raise line.error(word.offset, f"the flag '--{name}' needs a value", hint=f"--{name}=VALUE, without blanks")
        said.setdefault(name, []).append(Word(value, word.offset))
    return Flags(line, said)


def _unknown(line: Logical, instruction: str, name: str, offset: int) -> RecipeError:
    known = KNOWN.get(instruction, {})
    what = f"unknown flag '--{name[:64]}' of {instruction}"
    others = [other for other, flags in KNOWN.items() if name in flags]
    if others:
        return line.error(offset, what, why=f"it is one of {' and '.join(others)}", hint=_listed(instruction, known))
    near = nearest(name, known)
    return line.error(offset, what, hint=f"did you mean '--{near}'?" if near else _listed(instruction, known))


def _listed(instruction: str, known: dict[str, str]) -> str:
    if known:
        return f"{instruction} has {', '.join(f'--{name}' for name in sorted(known))}"
    return f"{instruction} has no flags; a command that begins with dashes comes after a '--'"
