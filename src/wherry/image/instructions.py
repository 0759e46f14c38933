"""Dockerfile instructions that change an image's configuration, as ``import`` and ``commit`` take them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from wherry.base.errors import UsageError

__all__ = ["INSTRUCTIONS", "changed_config", "with_variables"]

INSTRUCTIONS = ("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")

_WORD = re.compile(r"""((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)\s*""", re.DOTALL)
_PART = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)
_PORT = re.compile(r"\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?")


def changed_config(config: dict[str, object], lines: tuple[str, ...]) -> dict[str, object]:
    """``config`` (the ``config`` of an OCI configuration) after each instruction; raise :class:`UsageError`."""
    found = dict(config)
    for line in lines:
        name, _, rest = line.strip().partition(" ")
        name, rest = name.upper(), rest.strip()
        if name not in INSTRUCTIONS:
            raise UsageError(f"'{line}' is not an instruction that can be given here", hint=", ".join(INSTRUCTIONS))
        if not rest:
            raise UsageError(f"'{line}' says nothing", hint=f"{name} VALUE")
        _apply(found, name, rest, line)
    return found


def _apply(config: dict[str, object], name: str, rest: str, line: str) -> None:
    if name == "CMD":
        config["Cmd"] = _command(rest, line)
    elif name == "ENTRYPOINT":
        config["Entrypoint"] = _command(rest, line)
        config.pop("Cmd", None)  # as in a Dockerfile: what was said before it belongs to another entry point
    elif name == "ENV":
        config["Env"] = with_variables(config.get("Env"), _pairs(rest, line))
    elif name == "LABEL":
        labels = config.get("Labels")
        config["Labels"] = {**(labels if isinstance(labels, dict) else {}), **dict(_pairs(rest, line))}
    elif name == "ONBUILD":
        steps = config.get("OnBuild")
        config["OnBuild"] = [*(steps if isinstance(steps, list) else []), rest]
    elif name in ("EXPOSE", "VOLUME"):
        key = "ExposedPorts" if name == "EXPOSE" else "Volumes"
        before = config.get(key)
        values = _ports(rest, line) if name == "EXPOSE" else _list(rest, line)
        config[key] = {**(before if isinstance(before, dict) else {}), **{value: {} for value in values}}
    elif name == "WORKDIR":
        base = str(config.get("WorkingDir") or "/")
        config["WorkingDir"] = rest if rest.startswith("/") else f"{base.rstrip('/')}/{rest}"
    else:
        config["User" if name == "USER" else "StopSignal"] = rest


def _command(rest: str, line: str) -> list[str]:
    """A JSON list as it is; anything else is for the shell."""
    return _json(rest, line) if rest.startswith("[") else ["/bin/sh", "-c", rest]


def _list(rest: str, line: str) -> list[str]:
    return _json(rest, line) if rest.startswith("[") else rest.split()


def _json(rest: str, line: str) -> list[str]:
    try:
        return msgspec.json.decode(rest, type=list[str])
    except msgspec.DecodeError as error:
        raise UsageError(f"'{line}' is not a list of texts", why=str(error), hint='["one", "two"]') from None


def _ports(rest: str, line: str) -> list[str]:
    ports = rest.split()
    wrong = [port for port in ports if not _PORT.fullmatch(port)]
    if wrong:
        raise UsageError(f"'{line}' names no port", why=f"'{wrong[0]}' is none", hint="EXPOSE 8080/tcp")
    return [port if "/" in port else f"{port}/tcp" for port in ports]


def _pairs(rest: str, line: str) -> list[tuple[str, str]]:
    """``NAME=VALUE ...`` with quotes, or the old ``NAME VALUE``."""
    first = rest.split(None, 1)
    if "=" not in first[0]:
        if len(first) < 2:
            raise UsageError(f"'{line}' gives no value", hint="NAME=VALUE")
        return [(first[0], first[1])]
    pairs = []
    position = 0
    while position < len(rest):
        found = _WORD.match(rest, position)
        if found is None:
            raise UsageError(f"'{line}' cannot be read", why="a quote is not closed", hint='NAME="a value"')
        position = found.end()
        name, equals, value = _PART.sub(_unquoted, found[1]).partition("=")
        if not equals or not name:
            raise UsageError(f"'{line}' cannot be read", why=f"'{found[1]}' is not NAME=VALUE")
        pairs.append((name, value))
    return pairs


def _unquoted(part: re.Match[str]) -> str:
    if part[1] is not None:
        return part[1]
    return part[3] if part[2] is None else re.sub(r'\\(["\\$])', r"\1", part[2])


def with_variables(before: object, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The list ``before`` (``NAME=value`` each) in which the variables have these values."""
    known = [str(item) for item in before] if isinstance(before, list) else []
    for name, value in pairs:
        entry = f"{name}={value}"
        places = [place for place, item in enumerate(known) if item.partition("=")[0] == name]
        if places:
            known[places[0]] = entry
        else:
            known.append(entry)
    return known
