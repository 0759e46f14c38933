"""Which variables a container in Apptainer's manner has: the caller's, what ``SINGULARITYENV_`` and ``--env`` say, and
those by which programs know where they are."""

from __future__ import annotations

import posixpath
import re

import msgspec

from wherry.base.errors import NotFound, UsageError, reason, remedy
from wherry.base.outside import Outside
from wherry.launch.options import Scripts
from wherry.shims.singularity.given import Asked

__all__ = ["Variables", "variables"]

PREFIXES = ("SINGULARITYENV_", "APPTAINERENV_")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_ALWAYS = ("TERM", *_PROXIES, *(name.upper() for name in _PROXIES))
_NEVER = (
    *("!PATH", "!HOME", "!LD_LIBRARY_PATH", "!WHERRY_*", "!SINGULARITY_*", "!APPTAINER_*"),
    *(f"!{prefix}*" for prefix in PREFIXES),
)
_PATHS = ("PATH", "PREPEND_PATH", "APPEND_PATH")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


class Variables(msgspec.Struct, frozen=True):
    """``passed`` and ``env`` as :class:`~wherry.launch.options.RunOptions` has them."""

    passed: tuple[str, ...]
    env: tuple[str, ...]
    scripts: Scripts


def variables(verb: str, image: str, asked: Asked, outside: Outside) -> Variables:
    """``image`` as the peer shows it: an absolute path, or as it was written."""
    clean = asked.on("cleanenv", "containall", "compat")
    given = _given(asked, outside)
    paths = {name: given.pop(name, "") or _prefixed(outside, name) for name in _PATHS}
    given.pop("HOME", None)
    facts = {
        "CONTAINER": image,
        "NAME": posixpath.basename(image),
        "BIND": ",".join(asked.many("bind")),
        "COMMAND": verb,
        "ENVIRONMENT": "/.singularity.d/env/91-environment.sh",
        "APPNAME": asked.text("app"),
        "NO_EVAL": "1" if asked.on("no_eval", "compat") else "",
        "SHELL": asked.text("shell"),
    }
    named = [f"{peer}_{name}={value}" for name, value in facts.items() for peer in _PEERS if value or name == "BIND"]
    if clean:
        named.append("LANG=C")
    if verb == "shell":
        named.append("PS1=Apptainer> ")
    scripts = Scripts(
        verb,
        app=asked.text("app"),
        shell=asked.text("shell"),
        variables=tuple(named),
        prefixes=PREFIXES,
        path=paths["PATH"],
        before=paths["PREPEND_PATH"],
        after=paths["APPEND_PATH"],
    )
    passed = _ALWAYS if clean else ("*", *_NEVER)
    return Variables(passed, tuple(f"{name}={value}" for name, value in given.items()), scripts)


_PEERS = ("SINGULARITY", "APPTAINER")


def _prefixed(outside: Outside, name: str) -> str:
    return next((value for prefix in reversed(PREFIXES) if (value := outside.env(f"{prefix}{name}"))), "")


def _given(asked: Asked, outside: Outside) -> dict[str, str]:
    """Those of ``--env-file``, then those of ``--env``, which win."""
    found: dict[str, str] = {}
    for path in asked.many("env_file"):
        found.update(_file(path, outside))
    for text in asked.many("env"):
        for pair in _pairs(text):
            name, equals, value = pair.partition("=")
            if not equals or not (name.isascii() and name.isidentifier()):
                raise UsageError(f"'--env {text}' names no variable", hint="--env NAME=VALUE[,NAME=VALUE]")
            found[name] = value
    return found


def _pairs(text: str) -> list[str]:
    """``A=1,B=2``: one line of CSV when there are several ``=``, as the peer reads it; else the text itself."""
    if text.count("=") < 2 and '"' not in text:
        return [text]
    import csv

    return next(csv.reader([text]), [])


def _file(path: str, outside: Outside) -> dict[str, str]:
    """``NAME=VALUE`` lines, perhaps with ``export`` and quotes; comments and empty lines are passed over."""
    absolute = path if path.startswith("/") else posixpath.join(outside.cwd(), path)
    try:
        content = outside.read(absolute)
    except OSError as error:
        raise UsageError(f"cannot read '{path}'", why=reason(error), hint=remedy(error)) from None
    if content is None:
        raise NotFound(f"cannot read '{path}'", why="there is no such file", hint="check the spelling")
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "surrogateescape").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise UsageError(f"'{path}', line {number}: '{text}' is not NAME=VALUE")
        value = match[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[match[1]] = value
    return found
