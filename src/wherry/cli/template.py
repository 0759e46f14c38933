"""The part of Go's templates that ``--format`` of Docker's users needs, on plain JSON values.

``{{.Name}}``, ``{{.State.ExitCode}}``, ``{{json .}}``, ``{{json .Labels}}``, ``{{index .RepoTags 0}}``,
``{{join .Env ","}}``, ``{{len .Mounts}}``, ``{{upper .X}}``, ``{{lower .X}}``, ``{{println .X}}``, and
``{{range .X}}...{{end}}`` with ``{{.}}`` inside; ``\\t`` and ``\\n`` outside of braces. Anything else is refused with
the alternative, ``--format json``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import UsageError
from wherry.cli.listing import visible

__all__ = ["fields", "render", "require"]

_TAG = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_PATH = re.compile(r"\.(?:[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)?")


def render(template: str, value: Any) -> str:
    """The template with ``value`` (dicts, lists, text, numbers) filled in; raise :class:`UsageError`."""
    parts = list(_split(template))
    text, position = _block(parts, 0, value, template)
    if position != len(parts):
        raise UsageError(f"bad template '{template}'", why="there is an 'end' without a 'range'")
    return _tame(text) if sys.stdout.isatty() else text


def require(form: str) -> None:
    """Raise :class:`UsageError` where ``--format`` says a word that is none: a template names a field."""
    if "{{" not in form:
        raise UsageError(f"there is no format '{form}'", hint="table, json, or a template as '{{.Name}}'")


def _tame(text: str) -> str:
    """What images and containers say must not steer the terminal; lines and columns stay."""
    return "".join(part if part in "\n\t" else visible(part) for part in re.split(r"([\n\t])", text))


def fields(template: str) -> tuple[str, ...]:
    """The fields named by the template, for the heading of a ``table``."""
    names = []
    for is_tag, text in _split(template):
        names += [word[1:] for word in _WORD.findall(text) if word.startswith(".") and len(word) > 1] if is_tag else []
    return tuple(names)


def _split(template: str) -> Iterator[tuple[bool, str]]:
    position = 0
    for tag in _TAG.finditer(template):
        yield False, _unescape(template[position : tag.start()])
        yield True, tag[1]
        position = tag.end()
    rest = template[position:]
    if "{{" in rest:
        raise UsageError(f"bad template '{template}'", why="a '{{' is not closed", hint="as --format '{{.Name}}'")
    yield False, _unescape(rest)


def _unescape(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n")


def _block(parts: list[tuple[bool, str]], position: int, value: Any, template: str) -> tuple[str, int]:
    """Render up to the end of the template or its block's ``end``; the position is that of the ``end``."""
    out: list[str] = []
    while position < len(parts):
        is_tag, text = parts[position]
        if not is_tag:
            out.append(text)
        elif text == "end":
            break
        elif text.startswith("range "):
            items = _evaluate(_WORD.findall(text)[1:], value, template)
            body, start = "", position + 1
            _, position = _block(parts, start, None, template) if not items else ("", start)
            for item in items.values() if isinstance(items, dict) else items or ():
                body, position = _block(parts, start, item, template)
                out.append(body)
            if position == len(parts):
                raise UsageError(f"bad template '{template}'", why="there is a 'range' without an 'end'")
        else:
            out.append(_text(_evaluate(_WORD.findall(text), value, template)))
        position += 1
    return "".join(out), position


def _evaluate(words: list[str], value: Any, template: str) -> Any:
    if len(words) == 1:
        return _operand(words[0], value, template)
    name, *operands = words or [""]
    if "|" not in words and name in _FUNCTIONS and len(operands) == _FUNCTIONS[name][0]:
        return _FUNCTIONS[name][1](*(_operand(word, value, template) for word in operands))
    raise _unknown(template, " ".join(words))


def _operand(word: str, value: Any, template: str) -> Any:
    if word.startswith('"'):
        return word[1:-1].replace('\\"', '"').replace("\\t", "\t").replace("\\n", "\n")
    number = decimal(word.removeprefix("-"))
    if number is not None:
        return -number if word.startswith("-") else number
    if not _PATH.fullmatch(word):
        raise _unknown(template, word)
    for name in word.split(".")[1:] if word != "." else ():
        value = _field(value, name, template)
    return value


def _field(value: Any, name: str, template: str) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and name in value:
        return value[name]
    if not isinstance(value, dict):
        raise UsageError(f"bad template '{template}'", why=f"what '.{name}' is asked of has no fields")
    import difflib

    near = difflib.get_close_matches(name, value, 1, 0.5)
    hint = f"did you mean '.{near[0]}'?" if near else f"the fields are: {', '.join(value)}"
    raise UsageError(f"bad template '{template}'", why=f"there is no field '.{name}'", hint=hint)


def _unknown(template: str, part: str) -> UsageError:
    return UsageError(
        f"bad template '{template}'",
        why=f"'{{{{{part}}}}}' is not understood",
        hint="fields ({{.Name}}), json, index, join, len, upper, lower, range; for more: --format json and jq",
    )


def _text(value: Any) -> str:
    """As Go prints it: ``[a b]`` for a list, ``map[k:v]`` for a map."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + " ".join(_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_text(item)}" for key, item in sorted(value.items())) + "]"
    return str(value)


def _index(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


_FUNCTIONS: dict[str, tuple[int, Any]] = {
    "json": (1, lambda value: msgspec.json.encode(value).decode()),
    "index": (2, _index),
    "join": (2, lambda value, between: between.join(_text(item) for item in value or ())),
    "len": (1, lambda value: len(value or ())),
    "upper": (1, lambda value: _text(value).upper()),
    "lower": (1, lambda value: _text(value).lower()),
    "println": (1, lambda value: _text(value) + "\n"),
}
