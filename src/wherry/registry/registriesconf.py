"""``registries.conf`` version 2, which Podman, Buildah and Skopeo share (containers-registries.conf(5)).

The user's file replaces the system's; drop-in files of ``registries.conf.d`` (system's, then the user's) are read in
the order of their names and override key by key. Read through :class:`~wherry.base.outside.Outside`, so that a plan
notices a change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from wherry.base.errors import SettingsError, reason
from wherry.base.outside import Outside

__all__ = ["Location", "RegistriesConf", "Rule", "read", "read_names"]


class Location(msgspec.Struct, frozen=True):
    """A place to ask instead: ``location`` is ``host[:port][/path]``; ``pulls`` is all, digest-only or tag-only."""

    location: str
    insecure: bool = False
    pulls: str = "all"


class Rule(msgspec.Struct, frozen=True):
    """What holds for names that begin with ``prefix`` (``host``, ``host/path`` or ``*.domain``)."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Location, ...]
    source: str

    def covers(self, name: str) -> bool:
        """Whether ``name`` (``host/repository``) lies under the prefix."""
        if self.prefix.startswith("*."):
            host, _, _ = name.partition("/")
            return host.partition(":")[0].endswith(self.prefix[1:])
        return name == self.prefix or name.startswith(f"{self.prefix}/")

    def rewrite(self, name: str, location: str) -> str:
        """``name`` with the prefix replaced by ``location``."""
        if self.prefix.startswith("*.") or not location:
            return name if not location else location + name[name.find("/") :]
        return location + name[len(self.prefix) :]


class RegistriesConf(msgspec.Struct, frozen=True):
    """All files together."""

    rules: tuple[Rule, ...] = ()
    search: tuple[str, ...] = ()
    aliases: dict[str, str] = {}

    def rule(self, name: str) -> Rule | None:
        """The rule with the longest prefix that covers ``name`` (``host/repository``)."""
        covering = [rule for rule in self.rules if rule.covers(name)]
        return max(covering, key=lambda rule: len(rule.prefix), default=None)


def read(outside: Outside) -> RegistriesConf:
    """Read all that applies to this user; raise :class:`SettingsError` with the file that cannot be used."""
    rules: dict[str, Rule] = {}
    search: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    for path in _paths(outside):
        document = _parse(outside, path)
        for table in _tables(document.get("registry"), path):
            rule = _rule(table, path)
            rules[rule.prefix] = rule
        search = _searched(document, path, search)
        aliases.update(_aliases(document))
    return RegistriesConf(tuple(rules.values()), search, aliases)


def read_names(outside: Outside, name: str) -> RegistriesConf:
    """Only what may say where the short name ``name`` leads; raises as :func:`read`.

    It is asked at every start, and distributions bring long lists of aliases: files that name it nowhere are
    not parsed.
    """
    search: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    for path in _paths(outside):
        if not _mentions(_content(outside, path), name):
            continue
        document = _parse(outside, path)
        search = _searched(document, path, search)
        aliases.update(_aliases(document))
    return RegistriesConf((), search, aliases)


def _mentions(content: bytes, name: str) -> bool:
    words = (name.encode(), b"registries", b"\\")  # of the last, any text may come
    lines = (line for line in content.split(b"\n") if not line.lstrip().startswith(b"#"))
    return any(word in line for line in lines for word in words)


def _searched(document: Mapping[str, object], path: str, before: tuple[str, ...]) -> tuple[str, ...]:
    found = document.get("unqualified-search-registries")
    return before if found is None else _texts(found, path)


def _aliases(document: Mapping[str, object]) -> dict[str, str]:
    found = document.get("aliases")
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _paths(outside: Outside) -> list[str]:
    config_home = outside.env("XDG_CONFIG_HOME") or f"{outside.env('HOME') or '/nonexistent'}/.config"
    named = outside.env("CONTAINERS_REGISTRIES_CONF")
    if named:
        return [named]
    users, systems = f"{config_home}/containers/registries.conf", "/etc/containers/registries.conf"
    main = users if outside.stat(users).exists else systems
    paths = [main]
    for folder in ("/etc/containers/registries.conf.d", f"{config_home}/containers/registries.conf.d"):
        if outside.stat(folder).exists:
            try:
                names = sorted(name for name in os.listdir(folder) if name.endswith(".conf"))
            except OSError as error:
                raise SettingsError(f"cannot read '{folder}'", why=reason(error)) from None
            paths += [f"{folder}/{name}" for name in names]
    return paths


def _content(outside: Outside, path: str) -> bytes:
    try:
        return outside.read(path) or b""
    except OSError as error:
        raise SettingsError(f"cannot read '{path}'", why=reason(error)) from None


def _parse(outside: Outside, path: str) -> Mapping[str, object]:
    content = _content(outside, path)
    if not content:
        return {}
    import tomllib

    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read '{path}'", why=str(error)) from None
    if "registries" in document:
        raise SettingsError(
            f"'{path}' is in the old format of registries.conf",
            why="it has a table [registries]",
            hint="rewrite it with [[registry]] tables, see containers-registries.conf(5)",
        )
    return document


def _rule(table: Mapping[str, object], path: str) -> Rule:
    location = _location(table, path)
    prefix = str(table.get("prefix") or location)
    if not prefix:
        raise SettingsError(f"'{path}' has a [[registry]] with neither 'prefix' nor 'location'")
    by_digest_only = bool(table.get("mirror-by-digest-only"))
    mirrors = tuple(
        Location(
            _location(mirror, path),
            bool(mirror.get("insecure")),
            "digest-only" if by_digest_only else str(mirror.get("pull-from-mirror") or "all"),
        )
        for mirror in _tables(table.get("mirror"), path)
    )
    return Rule(prefix, location, bool(table.get("insecure")), bool(table.get("blocked")), mirrors, path)


def _location(table: Mapping[str, object], path: str) -> str:
    location = table.get("location") or ""
    if not isinstance(location, str) or "://" in location:
        raise SettingsError(f"'{path}' has the location {location!r}", why="expected host[:port][/path]")
    return location.rstrip("/")


def _tables(value: object, path: str) -> list[dict[str, object]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise SettingsError(f"cannot use '{path}'", why="'registry' and 'mirror' must be lists of tables: [[registry]]")
    return value


def _texts(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f"cannot use '{path}'", why="'unqualified-search-registries' must be a list of host names")
    return tuple(value)
