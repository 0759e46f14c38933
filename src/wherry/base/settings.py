"""Settings and where each value comes from.

Later wins over earlier: built in, site (``/etc/wherry/wherry.toml``), user (``$XDG_CONFIG_HOME/wherry/wherry.toml``),
project (the nearest ``wherry.toml`` upward), environment (``WHERRY_*``), flags. A project's file may set only keys that
are marked ``project`` (a stranger's clone is not trusted); the site may lock keys with ``[lock] keys = [...]``.

Keys are data: each section's file under ``base/sections/`` declares its keys; the command line, the reference page
and ``wherry settings`` are made from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import SettingsError, reason

if TYPE_CHECKING:
    from wherry.base.outside import Outside

__all__ = ["Key", "Settings", "Value", "keys", "load", "size_in_bytes"]

Value = str | bool | int | tuple[str, ...]

SITE_FILE = "/etc/wherry/wherry.toml"


class Key(msgspec.Struct, frozen=True):
    """One setting. ``kind`` is ``text``, ``flag``, ``number``, ``size`` (``20G``) or ``list``.

    ``name`` is ``section.key``; a ``*`` in it stands for a registry's host name. ``variable`` is its environment
    variable, by default ``WHERRY_SECTION_KEY``. ``project`` says that a project's own file may set it. ``choices``
    closes the list of values.
    """

    name: str
    kind: str
    default: Value
    help: str
    variable: str = ""
    project: bool = False
    choices: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """The environment variable of this key; none for a key with ``*``."""
        if "*" in self.name:
            return ""
        return self.variable or "WHERRY_" + self.name.upper().replace(".", "_")


class _Entry(msgspec.Struct, frozen=True):
    value: Value
    source: str


class Settings(msgspec.Struct, frozen=True):
    """All values, each with its source (``built in``, a file's path, ``WHERRY_STORE`` or ``--flag``).

    ``locked`` are the keys that only the site may set, each with the file that says so.
    """

    entries: dict[str, _Entry]
    locked: dict[str, str] = {}

    def text(self, name: str) -> str:
        return str(self._entry(name).value)

    def flag(self, name: str) -> bool:
        return bool(self._entry(name).value)

    def number(self, name: str) -> int:
        """The value of a ``number`` or, in bytes, of a ``size`` key (an empty size is 0)."""
        value = self._entry(name).value
        return value if isinstance(value, int) else size_in_bytes(name, str(value))

    def items(self, name: str) -> tuple[str, ...]:
        value = self._entry(name).value
        return value if isinstance(value, tuple) else (str(value),)

    def has(self, name: str) -> bool:
        """Whether somebody set it: a file, a variable or a flag, not only the built-in default."""
        return name in self.entries and self.entries[name].source != "built in"

    def source(self, name: str) -> str:
        return self._entry(name).source

    def with_flag(self, name: str, value: Value, flag: str) -> Settings:
        """The same settings with one value given on the command line by ``flag``.

        Raises :class:`SettingsError` when the site has locked the key; its own value may be repeated.
        """
        if value != self._entry(name).value:
            _check_lock(name, flag, self.locked)
        return Settings({**self.entries, name: _Entry(value, flag)}, self.locked)

    def _entry(self, name: str) -> _Entry:
        try:
            return self.entries[name]
        except KeyError:
            declared = _declared(name)
            return _Entry(declared.default, "built in")


def keys() -> tuple[Key, ...]:
    """Every key that exists, in the order of the sections."""
    from wherry.base import sections

    return sections.KEYS


def load(outside: Outside) -> Settings:
    """Read all files and variables; raise :class:`SettingsError` with the file, the key and the nearest known key."""
    entries = {key.name: _Entry(key.default, "built in") for key in keys() if "*" not in key.name}
    locked: dict[str, str] = {}
    config_home = outside.env("XDG_CONFIG_HOME") or ""
    if not config_home.startswith("/"):  # the specification: relative ones are to be ignored
        config_home = f"{outside.env('HOME') or '/nonexistent'}/.config"
    site = _site_file(outside)
    user = f"{config_home}/wherry/wherry.toml"
    project = outside.nearest("wherry.toml")
    for path, is_site, is_project in ((site, True, False), (user, False, False), (project, False, True)):
        if path is None or (is_project and _is_same(outside, path, (site, user))):
            continue
        document = _parse(outside, path)
        if is_site:
            locked = dict.fromkeys(_locks(document.pop("lock", {}), path), path)
        for name, value in _flatten(document):
            _set(entries, name, value, path, locked, is_site=is_site, is_project=is_project)
    for key in keys():
        # One by one: WHERRY_EXPLAIN and WHERRY_FACE are no settings, and must not make a saved plan stale.
        text = outside.env(key.environment) if key.environment else None
        if text:
            _check_lock(key.name, key.environment, locked)
            entries[key.name] = _Entry(_from_text(key, text), key.environment)
    return Settings(entries, locked)


def _site_file(outside: Outside) -> str:
    """The site's file; a variable may name another one only where that one locks nothing."""
    named = outside.env("WHERRY_SITE_SETTINGS")
    if not named or named == SITE_FILE:
        return SITE_FILE
    if _locks(_parse(outside, SITE_FILE).get("lock", {}), SITE_FILE):
        raise SettingsError(
            f"WHERRY_SITE_SETTINGS is '{named}'",
            why=f"the site has locked settings in '{SITE_FILE}'",
            hint="unset WHERRY_SITE_SETTINGS",
        )
    return named


def size_in_bytes(name: str, text: str) -> int:
    """``20G``, ``500M``, ``1.5T`` (powers of 1024) in bytes; empty is 0; raise :class:`SettingsError` otherwise."""
    if not text:
        return 0
    size = decimal(text)
    if size is None:
        try:
            size = int(float(text[:-1]) * 1024 ** "KMGTP".index(text[-1].upper()) * 1024)
        except (ValueError, OverflowError):
            size = -1
    if size < 0:
        raise SettingsError(f"setting '{name}' is '{text}'", why="expected a size, as 20G, 500M or bytes")
    return size


def _is_same(outside: Outside, path: str, others: Iterable[str]) -> bool:
    """Whether ``path`` is one of the others: below ``~/.config/wherry`` the nearest file is the user's own."""
    stamp = outside.stat(path)
    return any(
        (other := outside.stat(found)).exists and (other.device, other.inode) == (stamp.device, stamp.inode)
        for found in others
    )


def _parse(outside: Outside, path: str) -> dict[str, object]:
    try:
        content = outside.read(path)
    except OSError as error:
        raise SettingsError(f"cannot read '{path}'", why=reason(error)) from None
    if not content:
        return {}
    import tomllib

    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read '{path}'", why=str(error), hint="it must be TOML (https://toml.io)") from None


def _flatten(document: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for section, content in document.items():
        if not isinstance(content, dict):
            yield section, content
            continue
        for key, value in content.items():
            if isinstance(value, dict):
                yield from ((f"{section}.{key}.{inner}", found) for inner, found in value.items())
            else:
                yield f"{section}.{key}", value


def _set(
    entries: dict[str, _Entry],
    name: str,
    value: object,
    path: str,
    locked: Mapping[str, str],
    *,
    is_site: bool,
    is_project: bool,
) -> None:
    key = _declared(name, path)
    if is_project and not key.project:
        raise SettingsError(
            f"'{path}' sets '{name}'",
            why="a project's file may not: whoever wrote the project would decide it for you",
            hint="set it in your own file: ~/.config/wherry/wherry.toml",
        )
    if not is_site:
        _check_lock(name, path, locked)
    entries[name] = _Entry(_typed(key, value, path), path)


def _check_lock(name: str, source: str, locked: Mapping[str, str]) -> None:
    found = locked.get(name) or locked.get(_pattern(name))
    if found:
        raise SettingsError(f"{source} sets '{name}'", why=f"the site has locked it in '{found}'")


def _locks(section: object, path: str) -> tuple[str, ...]:
    names = section.get("keys", []) if isinstance(section, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"'{path}' has a bad [lock] section", hint='write: [lock] keys = ["store.path"]')
    for name in names:
        _declared(name, path)  # a lock with a typing error would lock nothing
    return tuple(names)


def _declared(name: str, path: str = "") -> Key:
    pattern = _pattern(name)
    for key in keys():
        if key.name == pattern:
            return key
    import difflib

    near = difflib.get_close_matches(name, [key.name for key in keys()], 1, 0.7)
    raise SettingsError(
        f"there is no setting '{name}'" + (f" (in '{path}')" if path else ""),
        hint=f"did you mean '{near[0]}'?" if near else "'wherry settings' lists them all",
    )


def _pattern(name: str) -> str:
    first, _, rest = name.partition(".")
    _, dot, last = rest.rpartition(".")
    return f"{first}.*.{last}" if dot else name


def _typed(key: Key, value: object, path: str) -> Value:
    if key.kind == "list" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if key.kind == "flag" and isinstance(value, bool):
        return value
    if key.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if key.kind in ("text", "size") and isinstance(value, str):
        if key.kind == "size":
            try:
                size_in_bytes(key.name, value)
            except SettingsError as error:
                raise SettingsError(f"'{path}' sets '{key.name}' to '{value}'", why=error.why) from None
        if key.choices and value not in key.choices:
            raise _not_a_choice(key, value, path)
        return value
    raise SettingsError(f"'{path}' sets '{key.name}' to {value!r}", why=f"expected a {key.kind}")


def _not_a_choice(key: Key, value: str, source: str) -> SettingsError:
    import difflib

    what = f"{source} is '{value}'" if source == key.environment else f"'{source}' sets '{key.name}' to '{value}'"
    near = difflib.get_close_matches(value.lower(), key.choices, 1)
    why = f"expected one of: {', '.join(key.choices)}"
    return SettingsError(what, why=why, hint=f"did you mean '{near[0]}'?" if near else "")


def _from_text(key: Key, text: str) -> Value:
    if key.kind == "list":
        return tuple(item for item in text.split(",") if item)
    if key.kind == "flag":
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise SettingsError(f"{key.environment} is '{text}'", why="expected 1 or 0, true or false")
    if key.kind == "number":
        number = decimal(text)
        if number is None:
            raise SettingsError(f"{key.environment} is '{text}'", why="expected a number")
        return number
    return _typed(key, text, key.environment)
