"""What instructions change in an image's configuration (OCI image-spec, config.md; Docker's HEALTHCHECK and ONBUILD).

Each function takes the ``config`` of a configuration as a dictionary and changes it in place; a stage has its own.
"""

from __future__ import annotations

import copy
import posixpath
import re
from typing import Any

from wherry.build.dockerfile import Position, RecipeError
from wherry.build.dockerfile.instructions import Command, Healthcheck

__all__ = [
    "DEFAULT_SHELL",
    "Config",
    "add_env",
    "add_labels",
    "add_ports",
    "add_volumes",
    "directory_after",
    "env_of",
    "fresh",
    "inherited",
    "nanoseconds",
    "set_cmd",
    "set_entrypoint",
    "set_healthcheck",
    "shell_of",
    "words_of",
]

Config = dict[str, Any]

DEFAULT_SHELL = ("/bin/sh", "-c")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PORT = re.compile(r"(?:[^:]*:)*(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def fresh(platform: str) -> Config:
    """The document of an image made of nothing, with the usual PATH."""
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    found: Config = {"architecture": architecture, "os": system, "config": {"Env": [_PATH], "WorkingDir": "/"}}
    return {**found, "variant": variant} if variant else found


def inherited(document: Config) -> Config:
    """What a stage begins with: its base's document without what is of the base's own making, and its own to change."""
    found = copy.deepcopy(document)
    for name in ("rootfs", "history", "created", "id", "parent", "container", "container_config", "docker_version"):
        found.pop(name, None)
    config = {name: value for name, value in (found.get("config") or {}).items() if value is not None}
    for name in ("Image", "Hostname", "Domainname", "ArgsEscaped"):
        config.pop(name, None)
    found["config"] = config
    if not any(entry.partition("=")[0] == "PATH" for entry in config.get("Env") or ()):
        config["Env"] = [*(config.get("Env") or ()), _PATH]
    return found


def env_of(config: Config) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or ())


def add_env(config: Config, name: str, value: str) -> None:
    """A name that is there keeps its place, as in Docker's lists."""
    entries = list(config.get("Env") or ())
    for place, entry in enumerate(entries):
        if entry.partition("=")[0] == name:
            entries[place] = f"{name}={value}"
            break
    else:
        entries.append(f"{name}={value}")
    config["Env"] = entries


def add_labels(config: Config, pairs: list[tuple[str, str]]) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(pairs)}


def shell_of(config: Config) -> tuple[str, ...]:
    return tuple(config.get("Shell") or DEFAULT_SHELL)


def words_of(config: Config, command: Command) -> list[str]:
    """The exec form as it is; the shell form behind the shell."""
    return list(command.words) if command.words is not None else [*shell_of(config), command.text]


def set_cmd(config: Config, command: Command) -> None:
    config["Cmd"] = words_of(config, command) or None
    _drop_nothing(config)


def set_entrypoint(config: Config, command: Command, *, keep_cmd: bool) -> None:
    """Unless this stage said CMD itself, the base's belonged to another entry point."""
    config["Entrypoint"] = words_of(config, command) or None
    if not keep_cmd:
        config["Cmd"] = None
    _drop_nothing(config)


def _drop_nothing(config: Config) -> None:
    for name in ("Cmd", "Entrypoint"):
        if name in config and config[name] is None:
            del config[name]


def add_ports(config: Config, ports: list[str], position: Position) -> None:
    found = dict(config.get("ExposedPorts") or {})
    for port in ports:
        found |= {name: {} for name in _ports(port, position)}
    config["ExposedPorts"] = {name: found[name] for name in sorted(found)}


def _ports(text: str, position: Position) -> list[str]:
    match = _PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if match is None or not 0 <= first <= last <= 65535:
        raise RecipeError(f"'{text}' is not a port", position, hint="EXPOSE 8080, EXPOSE 53/udp or EXPOSE 7000-7009")
    return [f"{number}/{(match[3] or 'tcp').lower()}" for number in range(first, last + 1)]


def add_volumes(config: Config, paths: list[str], position: Position) -> None:
    if not all(paths):
        raise RecipeError("a volume needs a path", position, hint="VOLUME /data")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def directory_after(config: Config, path: str) -> str:
    """The working directory after ``WORKDIR path``."""
    return posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path)).replace("//", "/")


def set_healthcheck(config: Config, said: Healthcheck) -> None:
    if said.command is None:
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if said.command.words is not None:
        found: Config = {"Test": ["CMD", *said.command.words]}
    else:
        found = {"Test": ["CMD-SHELL", said.command.text]}
    for name, text in (
        ("Interval", said.interval),
        ("Timeout", said.timeout),
        ("StartPeriod", said.start_period),
        ("StartInterval", said.start_interval),
    ):
        value = nanoseconds(text, name, said.position)
        if value:
            found[name] = value
    if said.retries:
        if not said.retries.isascii() or not said.retries.isdigit():
            raise RecipeError(f"'{said.retries}' is not a number of retries", said.position, hint="--retries=3")
        if int(said.retries):
            found["Retries"] = int(said.retries)
    config["Healthcheck"] = found


def nanoseconds(text: str, name: str, position: Position) -> int:
    """A duration as Go writes it (``1h2m3.5s``), in nanoseconds; empty is 0. Less than a millisecond is refused."""
    if text in ("", "0"):
        return 0
    parts = _DURATION.findall(text)
    if "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise RecipeError(f"'{text}' is not a duration", position, hint="30s, 1m30s or 500ms")
    value = int(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if 0 < value < 10**6:
        raise RecipeError(f"the {name.lower()} '{text}' is too short", position, why="a millisecond is the least")
    return value
