"""What a command line and the variables beside it say: options by their keys, refusals and notes told."""

from __future__ import annotations

import sys

from wherry.base.errors import UsageError
from wherry.base.outside import Outside
from wherry.cli.grammar import Given
from wherry.shims.singularity.words import Flag

__all__ = ["Asked", "asked"]

_NO = ("", "0", "f", "false", "no", "n", "off")
_BOTH = ("bind", "mount")
"""Of these the variable's values count beside the command line's; of all others the command line wins."""


class Asked:
    """Values by key. ``on`` for flags, ``text`` for one value, ``many`` for several."""

    def __init__(self, values: dict[str, tuple[str, ...]]) -> None:
        self._values = values

    def on(self, *keys: str) -> bool:
        """Whether one of these flags is set."""
        return any(key in self._values for key in keys)

    def text(self, key: str) -> str:
        """The last value; empty when there is none."""
        return self._values[key][-1] if self._values.get(key) else ""

    def many(self, key: str) -> tuple[str, ...]:
        return self._values.get(key, ())


def asked(flags: tuple[Flag, ...], given: Given, outside: Outside) -> Asked:
    """Everything that is asked; raise :class:`UsageError` for the first thing that cannot be honoured.

    What is passed over is told on standard error.
    """
    environment = {**_stripped(outside, "SINGULARITY_"), **_stripped(outside, "APPTAINER_")}
    values: dict[str, tuple[str, ...]] = {}
    for flag in flags:
        found = _of(flag, given, environment)
        if found is None:
            continue
        spelled = flag.names[-1]
        if flag.refused:
            raise UsageError(f"'{spelled}' is not possible", why=flag.refused, hint=flag.hint)
        if flag.note:
            tell(f"'{spelled}' is passed over: {flag.note}")
        values[flag.option.key] = found
    return Asked(values)


def tell(text: str) -> None:
    """A note for the user."""
    sys.stderr.write(f"wherry: {text}\n")


def _stripped(outside: Outside, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in outside.envs(prefix).items()}


def _of(flag: Flag, given: Given, environment: dict[str, str]) -> tuple[str, ...] | None:
    """None when it is not said; a flag has no values."""
    key = flag.option.key
    value = given.options.get(key)
    variable = next((environment[name] for name in flag.variables if environment.get(name)), None)
    if flag.kind == "flag":
        said = bool(value) or (key not in given.options and (variable or "").lower() not in _NO)
        return () if said else None
    texts: tuple[str, ...] = ()
    if isinstance(value, str):
        texts = (value,)
    elif isinstance(value, tuple):
        texts = value
    if variable is not None and (key in _BOTH or not texts):
        texts = (*texts, variable)
    if key == "mount" and variable is not None:
        texts = (*texts[:-1], *variable.splitlines())
    if flag.kind == "list":
        texts = tuple(part for text in texts for part in split(text))
    return texts or None


def split(text: str, separator: str = ",") -> list[str]:
    """The parts between separators; a backslash keeps one that belongs to a path."""
    parts, part, quoted = [], "", False
    for letter in text:
        if quoted:
            part += letter if letter in (separator, "\\") else f"\\{letter}"
            quoted = False
        elif letter == "\\":
            quoted = True
        elif letter == separator:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [each for each in (*parts, part + ("\\" if quoted else "")) if each]
