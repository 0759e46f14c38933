"""The variables of ``ch-run``: the caller's, after ``--set-env`` and ``--unset-env`` in the order given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

import msgspec

from wherry.base.errors import UsageError
from wherry.shims.charliecloud.words import Step

__all__ = ["Environment", "assignment", "environment"]

_RUNNING = "CH_RUNNING=Weird Al Yankovic"
_SIMPLE = re.compile(r"\w+\*?|\*", re.ASCII)
"""A glob that the launcher can match by itself."""
_EXTENDED = re.compile(r"([?*+@!])\(([^()]*)\)")


class Environment(msgspec.Struct, frozen=True):
    """``passed`` as ``RunOptions.pass_env``, ``made`` as ``RunOptions.env``; ``lasting``: it is the same decision for
    whatever variables the next caller has."""

    passed: tuple[str, ...]
    made: tuple[str, ...]
    lasting: bool


def environment(
    steps: Iterable[Step],
    caller: Callable[[str], str | None],
    names: Callable[[], Iterable[str]],
    lines: Callable[[str | None], list[str]],
) -> Environment:
    """What goes in. ``caller`` gives one of the caller's variables, ``names`` the names of all (asked only where a glob
    needs them), ``lines`` those of a file, or of the image's own ``/ch/environment`` (None).

    Raises :class:`UsageError` for what is no assignment, or an empty glob.
    """
    out: list[str] = ["TMPDIR"]
    gone = [re.compile("TMPDIR")]
    made: dict[str, str] = {}

    def known(name: str) -> str | None:
        if name in made:
            return made[name]
        return None if any(pattern.fullmatch(name) for pattern in gone) else caller(name)

    path = caller("PATH")
    if path is not None and "/bin" not in path.split(":"):
        made["PATH"] = f"{path}:/bin"
    expand, lasting = True, True
    for step in steps:
        if step.key == "env_no_expand":
            expand = False
        elif step.key == "unset_env":
            glob = step.value or ""
            if not glob:
                raise UsageError("--unset-env: GLOB must have non-zero length", hint="--unset-env='*' removes all")
            pattern = re.compile(_pattern(glob))
            gone.append(pattern)
            made = {name: value for name, value in made.items() if not pattern.fullmatch(name)}
            if _SIMPLE.fullmatch(glob):
                out.append(glob)
            else:
                lasting = False
                out += sorted(name for name in names() if pattern.fullmatch(name))
        else:
            for name, value in _assigned(step.value, lines):
                made[name] = _expanded(value, known) if expand else value
    passed = () if "*" in out else ("*", *(f"!{name}" for name in dict.fromkeys(out)))
    return Environment(passed, (*(f"{name}={value}" for name, value in made.items()), _RUNNING), lasting)


def assignment(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, single quotes around the value left out; raises :class:`UsageError`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"'{text}' sets no variable", why="there is no '=' in it", hint="as NAME=VALUE")
    if not name:
        raise UsageError(f"'{text}' sets no variable", why="its name is empty", hint="as NAME=VALUE")
    if len(value) >= 2 and value[0] == value[-1] == "'":
        value = value[1:-1]
    return name, value


def _assigned(text: str | None, lines: Callable[[str | None], list[str]]) -> list[tuple[str, str]]:
    if text is not None and "=" in text:
        if len(text) >= 2 and text[0] == text[-1] == "'":  # the manual quotes the whole word once
            text = text[1:-1]
        return [assignment(text)]
    return [assignment(line) for line in lines(text) if line]


def _expanded(value: str, known: Callable[[str], str | None]) -> str:
    """Items between colons that are ``$NAME`` become its value, or go where that is unset or empty."""
    items = []
    for item in value.split(":"):
        if item[:1] != "$":
            items.append(item)
        elif found := known(item[1:]):
            items.append(found)
    return ":".join(items)


def _pattern(glob: str) -> str:
    """A regular expression of a glob, with the extended forms of fnmatch(3) that do not nest."""
    parts, last = [], 0
    for found in _EXTENDED.finditer(glob):
        parts.append(_plain(glob[last : found.start()]))
        choice = "|".join(_plain(part) for part in found[2].split("|"))
        rest = _pattern(glob[found.end() :])
        if found[1] == "!":
            return "".join(parts) + f"(?:(?!(?:{choice}){rest}$).*){rest}"
        parts.append(f"(?:{choice})" + {"@": "", "?": "?", "*": "*", "+": "+"}[found[1]])
        last = found.end()
    return "".join(parts) + _plain(glob[last:])


def _plain(glob: str) -> str:
    return translate(glob).removeprefix("(?s:").removesuffix(")\\Z")
