"""The part of Go's templates that ``--format`` of Docker's users needs, on plain JSON values.

Fields (``{{.State.ExitCode}}``), ``if``/``else``, ``range``, ``with``, variables (``$name := ...``), pipelines
(``{{.Name | lower}}``), parentheses, ``{{-`` and ``-}}``, comments, and the functions of
:mod:`wherry.cli.templatewords`; ``\\t`` and ``\\n`` outside of braces. Anything else is refused with the alternative,
``--format json``. (https://pkg.go.dev/text/template says how each is meant.)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from wherry.base.errors import UsageError
from wherry.cli.listing import visible
from wherry.cli.templatewords import FUNCTIONS, as_text, is_true

__all__ = ["Free", "fields", "render", "require"]

_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`"
_TAG = re.compile(rf"\{{\{{(-(?=\s))?\s*((?:{_QUOTED}|/\*.*?\*/|(?!-?\}}\}}).)*?)\s*((?<=\s)-)?\}}\}}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[()|,]|:?=|[^\s()|,"`=:]+')
_PATH = re.compile(r"(?:\$\w*)?(?:\.|(?:\.[A-Za-z_][\w-]*)+)?")
_HINT = "fields ({{.Name}}), if, range, with, json, index, join, len, upper, lower; for more: --format json and jq"


class Free(dict[str, Any]):
    """A map whose keys are the user's, such as labels: one that is not there is no mistake of the template."""


def render(template: str, value: Any) -> str:
    """The template with ``value`` (dicts, lists, text, numbers) filled in; raise :class:`UsageError`."""
    text = _Rendering(template, value).done()
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
    """Text and what stands in braces in turn; the marks ``-`` have taken their white space."""
    position, trims = 0, False
    for tag in _TAG.finditer(template):
        text = template[position : tag.start()]
        text = text.lstrip() if trims else text
        yield False, _unescape(text.rstrip() if tag[1] else text)
        yield True, tag[2].strip()
        position, trims = tag.end(), bool(tag[3])
    rest = template[position:].lstrip() if trims else template[position:]
    if "{{" in rest:
        raise UsageError(f"bad template '{template}'", why="a '{{' is not closed", hint="as --format '{{.Name}}'")
    yield False, _unescape(rest)


def _unescape(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n")


class _Rendering:
    """One template being filled in; ``variables`` hold ``$`` and what was declared."""

    def __init__(self, template: str, value: Any) -> None:
        self.template = template
        self.parts = list(_split(template))
        self.variables: dict[str, Any] = {"$": value}

    def done(self) -> str:
        text, position, end = self.block(0, self.variables["$"], silent=False)
        if position != len(self.parts):
            opener = "an 'else' without an 'if'" if end != "end" else "an 'end' without a 'range', 'if' or 'with'"
            raise UsageError(f"bad template '{self.template}'", why=f"there is {opener}")
        return text

    def block(self, position: int, value: Any, *, silent: bool) -> tuple[str, int, str]:
        """Up to the next ``end`` or ``else`` of this block, or the template's end; ``silent`` evaluates nothing."""
        out: list[str] = []
        while position < len(self.parts):
            is_tag, text = self.parts[position]
            if not is_tag:
                out.append(text)
            elif text == "end" or text.split(" ")[0] == "else":
                return "".join(out), position, text
            elif text.split(" ")[0] in ("if", "range", "with"):
                made, position = self.choice(text, position + 1, value, silent=silent)
                out.append(made)
            elif not silent and not text.startswith("/*"):
                out.append(self.action(text, value))
            position += 1
        return "".join(out), position, ""

    def choice(self, text: str, position: int, value: Any, *, silent: bool) -> tuple[str, int]:
        """``if``, ``range`` or ``with``, to its ``end``; the position is that of the ``end``."""
        kind, _, condition = text.partition(" ")
        names, found = ((), None) if silent else self.declared(condition, value)
        is_met = not silent and is_true(found)
        out: list[str] = []
        if kind == "range":
            for key, item in _items(found) if is_met else ():
                self.bind(names, key, item)
                out.append(self.block(position, item, silent=False)[0])
            _, position, end = self.block(position, None, silent=True)
        else:
            self.bind(names[:1], found, found)
            inner = found if kind == "with" else value
            body, position, end = self.block(position, inner, silent=not is_met)
            out.append(body if is_met else "")
        if position == len(self.parts):
            why = f"there is {'an' if kind == 'if' else 'a'} '{kind}' without an 'end'"
            raise UsageError(f"bad template '{self.template}'", why=why)
        if end == "end":
            return "".join(out), position
        wanted = not silent and not is_met
        if end != "else":  # else if, else with: one `end` closes both
            made, position = self.choice(end.removeprefix("else "), position + 1, value, silent=not wanted)
            return "".join((*out, made if wanted else "")), position
        body, position, end = self.block(position + 1, value, silent=not wanted)
        if position == len(self.parts) or end != "end":
            raise UsageError(f"bad template '{self.template}'", why=f"there is '{kind}' without an 'end'")
        return "".join((*out, body if wanted else "")), position

    def action(self, text: str, value: Any) -> str:
        names, found = self.declared(text, value)
        if not names:
            return as_text(found)
        self.bind(names, None, found)
        return ""

    def bind(self, names: tuple[str, ...], key: Any, item: Any) -> None:
        self.variables.update(zip(names, (key, item) if len(names) == 2 else (item,), strict=False))

    def declared(self, text: str, value: Any) -> tuple[tuple[str, ...], Any]:
        """``$a, $b := PIPELINE`` or ``PIPELINE``: the names, and what the pipeline gives."""
        words = _WORD.findall(text)
        if "".join(words) != re.sub(r"\s+", "", text) and not re.search(r"[\"`]", text):
            raise self.unknown(text)
        names: tuple[str, ...] = ()
        for sign in (":=", "="):
            if sign in words:
                before, words = words[: words.index(sign)], words[words.index(sign) + 1 :]
                names = tuple(word for word in before if word != ",")
                break
        if any(not re.fullmatch(r"\$\w+", name) for name in names):
            raise self.unknown(text)
        found, rest = self.pipeline(words, value, text)
        if rest:
            raise self.unknown(text)
        return names, found

    def pipeline(self, words: list[str], value: Any, text: str) -> tuple[Any, list[str]]:
        """Commands with ``|`` between, up to the end or a ``)``: each gets the last one's result as last operand."""
        found, words = self.command(words, value, text, ())
        while words[:1] == ["|"]:
            found, words = self.command(words[1:], value, text, (found,))
        return found, words

    def command(self, words: list[str], value: Any, text: str, piped: tuple[Any, ...]) -> tuple[Any, list[str]]:
        operands: list[Any] = []
        name = words[0] if words and words[0] in FUNCTIONS else ""
        words = words[1:] if name else words
        while words and words[0] not in ("|", ")"):
            operand, words = self.operand(words, value, text)
            operands.append(operand)
        operands += piped
        if not name and len(operands) > 1 and callable(operands[0]):  # a field that takes a word: .Label "x"
            return operands[0](*operands[1:]), words
        if not name:
            if len(operands) != 1 or piped:
                raise self.unknown(text)
            return operands[0], words
        least, most, function = FUNCTIONS[name]
        if not least <= len(operands) <= most:
            raise self.unknown(text)
        try:
            return function(*operands), words
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):
            raise UsageError(f"bad template '{self.template}'", why=f"'{name}' cannot be asked of that") from None

    def operand(self, words: list[str], value: Any, text: str) -> tuple[Any, list[str]]:
        word, rest = words[0], words[1:]
        if word == "(":
            found, rest = self.pipeline(rest, value, text)
            if rest[:1] != [")"]:
                raise self.unknown(text)
            rest = rest[1:]
            if rest and rest[0].startswith(".") and len(rest[0]) > 1:  # (index .X 0).Name
                found, rest = self.path(rest[0], found), rest[1:]
            return found, rest
        if word[0] == "`":
            return word[1:-1], rest
        if word[0] == '"':
            return _unquoted(word), rest
        if word in ("true", "false", "nil"):
            return {"true": True, "false": False}.get(word), rest
        if re.fullmatch(r"-?[0-9]+", word, re.ASCII):
            return int(word), rest
        if not word or not _PATH.fullmatch(word):
            raise self.unknown(text)
        if word[0] == "$":
            name, _, further = word.partition(".")
            if name not in self.variables:
                raise self.unknown(text)
            return self.path(f".{further}", self.variables[name]), rest
        return self.path(word, value), rest

    def path(self, path: str, value: Any) -> Any:
        for name in path.split(".")[1:] if path != "." else ():
            value = self.field(value, name)
        return value

    def field(self, value: Any, name: str) -> Any:
        if value is None:
            return None
        if isinstance(value, dict) and name in value:
            return value[name]
        if isinstance(value, Free):
            return "<no value>"
        if not isinstance(value, dict):
            raise UsageError(f"bad template '{self.template}'", why=f"what '.{name}' is asked of has no fields")
        import difflib

        near = difflib.get_close_matches(name, value, 1, 0.5)
        hint = f"did you mean '.{near[0]}'?" if near else f"the fields are: {', '.join(value)}"
        raise UsageError(f"bad template '{self.template}'", why=f"there is no field '.{name}'", hint=hint)

    def unknown(self, part: str) -> UsageError:
        why = f"'{{{{{part}}}}}' is not understood"
        return UsageError(f"bad template '{self.template}'", why=why, hint=_HINT)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from sorted(value.items())
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _unquoted(word: str) -> str:
    try:
        return str(msgspec.json.decode(word.encode()))
    except msgspec.DecodeError:
        return word[1:-1]
