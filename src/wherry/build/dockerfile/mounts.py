"""``RUN --mount=type=cache,target=/root/.cache``: its fields to a :class:`Mount` (reference: "RUN --mount")."""

from __future__ import annotations

from typing import Any

from wherry.build.dockerfile.errors import RecipeError, nearest
from wherry.build.dockerfile.expansion import Unreadable, check
from wherry.build.dockerfile.instructions import Mount
from wherry.build.dockerfile.lines import Logical
from wherry.build.dockerfile.words import Word

__all__ = ["NAMES", "ONLY", "read_mount"]

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_OTHERS = {"dst": "target", "destination": "target", "src": "source", "ro": "readonly", "rw": "readwrite"}
_SWITCHES = ("readonly", "readwrite", "required")
_TEXTS = ("type", "target", "source", "from", "id", "sharing", "mode", "uid", "gid", "size", "env")
NAMES = {**{name: name for name in (*_TEXTS, *_SWITCHES)}, **_OTHERS}
ONLY = {
    "sharing": ("cache",),
    "size": ("tmpfs",),
    "env": ("secret",),
    "required": ("secret", "ssh"),
    "mode": ("cache", "secret", "ssh"),
    "uid": ("cache", "secret", "ssh"),
    "gid": ("cache", "secret", "ssh"),
    "from": ("bind", "cache"),
    "readonly": ("bind", "cache"),
    "readwrite": ("bind", "cache"),
}
"""Of which types a field is; the others are of all."""


def read_mount(line: Logical, word: Word, escape: str) -> Mount:
    """The mount that a flag's value says; raises :class:`RecipeError` at the flag."""
    fields: dict[str, Any] = {}
    for field in _fields(line, word):
        key, equals, value = field.partition("=")
        name = NAMES.get(key.lower())
        if name is None:
            near = nearest(key.lower(), NAMES)
            hint = f"did you mean '{near}'?" if near else "type, target, source, from, ..."
            raise line.error(word.offset, f"unknown field '{key[:64]}' of '--mount'", hint=hint)
        if name not in _SWITCHES and not equals:
            raise line.error(word.offset, f"the field '{key}' of '--mount' needs a value", hint=f"{key}=VALUE")
        fields[name] = _switch(line, word, key, value, equals) if name in _SWITCHES else value
        if name not in _SWITCHES:
            try:
                check(value, escape)
            except Unreadable as error:
                raise line.error(word.offset, f"cannot read '{value}'", why=error.what) from None
    return _checked(line, word, fields)


def _fields(line: Logical, word: Word) -> list[str]:
    """Parted by commas; one in double quotes may hold some (RFC 4180)."""
    if '"' not in word.text:
        return word.text.split(",")
    import csv

    try:
        return next(csv.reader([word.text], strict=True), [])
    except csv.Error as error:
        raise line.error(word.offset, f"cannot read '--mount={word.text}'", why=str(error)) from None


def _switch(line: Logical, word: Word, key: str, value: str, equals: str) -> bool:
    if not equals or value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise line.error(word.offset, f"'{key}' of '--mount' is true or false, not '{value}'", hint=f"{key}=true")


def _checked(line: Logical, word: Word, fields: dict[str, Any]) -> Mount:
    def wrong(what: str, *, why: str = "", hint: str = "") -> RecipeError:
        return line.error(word.offset, what, why=why, hint=hint)

    type_ = fields["type"] = _choice(wrong, fields.get("type", "bind"), "type", _TYPES)
    if "sharing" in fields:
        fields["sharing"] = _choice(wrong, fields["sharing"], "sharing", _SHARING)
    for name, types in ONLY.items():
        if name in fields and "$" not in type_ and type_ not in types:
            raise wrong(f"a mount of type {type_} has no '{name}'", why=f"it is a field of {' and '.join(types)}")
    if "$" in fields.get("from", ""):
        why, hint = "'from' takes no variable", "name a stage for it: FROM $IMAGE AS tools, then from=tools"
        raise wrong(f"cannot use 'from={fields['from']}'", why=why, hint=hint)
    if type_ in ("bind", "cache", "tmpfs") and not fields.get("target"):
        raise wrong(f"a mount of type {type_} needs a target", hint="target=/PATH")
    if type_ == "secret":
        if fields.get("source") and fields.get("id"):
            raise wrong("a secret has an id or a source, not both", hint="id=NAME")
        if not (fields.get("source") or fields.get("id") or fields.get("target")):
            raise wrong("a secret needs an id", hint="id=NAME, and --secret id=NAME,src=FILE for the build")
    readonly = fields.pop("readonly", None)
    readwrite = fields.pop("readwrite", None)
    if readonly is None and readwrite is not None:
        readonly = not readwrite
    return Mount(read_only=readonly, from_=fields.pop("from", ""), **fields)


def _choice(wrong: Any, value: str, name: str, choices: tuple[str, ...]) -> str:
    """One of ``choices`` in any case; a variable is looked at when it has a value."""
    if "$" in value:
        return value
    if value.lower() not in choices:
        near = nearest(value.lower(), choices)
        hint = f"did you mean '{near}'?" if near else f"one of {', '.join(choices)}"
        raise wrong(f"the {name} of a mount cannot be '{value}'", hint=hint)
    return value.lower()
