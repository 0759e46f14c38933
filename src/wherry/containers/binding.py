"""What ``-v``, ``--mount`` and ``--tmpfs`` say, checked in form; whether the source exists the launcher finds out.

Docker's rules for both spellings (docs: "docker run --volume", "--mount"), except that there is no daemon that would
keep named volumes, and that nothing mounted inside may appear on the host.
"""

from __future__ import annotations

import posixpath

from wherry.base.errors import UsageError
from wherry.base.outside import Outside
from wherry.launch.options import Bind

__all__ = ["check_targets", "mount", "tmpfs", "volume"]

_PROPAGATION = {"private": "private", "rprivate": "private", "slave": "slave", "rslave": "slave"}
_IGNORED = ("z", "Z", "rw", "cached", "delegated", "consistent")
_COLON = "a path with a colon: --mount type=bind,source=PATH,target=PATH"
_TRUE = ("", "1", "true")
_FALSE = ("0", "false")


def volume(text: str, outside: Outside) -> Bind:
    """``SOURCE:TARGET[:OPTIONS]``; a relative source is taken from the current directory."""
    parts = text.split(":")
    what = f"cannot bind '{text}'"
    if len(parts) == 1:
        raise UsageError(
            what,
            why="it names no target, and there are no anonymous volumes",
            hint=f"-v {text}:{text} shows the host's directory, --tmpfs {text} gives an empty one",
        )
    if len(parts) > 3:
        raise UsageError(what, why="it has too many ':'", hint=_COLON)
    source, target = parts[0], parts[1]
    if len(parts) == 3 and parts[2].startswith("/"):
        raise UsageError(what, why=f"after the target '{target}' comes a further path", hint=_COLON)
    if not target.startswith("/") and source.startswith("/") and len(parts) == 3:
        raise UsageError(what, why=f"its target '{target}' is not an absolute path", hint=_COLON)
    read_only, propagation = False, "private"
    for option in parts[2].split(",") if len(parts) == 3 else ():
        if option == "ro":
            read_only = True
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        elif option not in _IGNORED:
            raise _unknown_option(what, option)
    return Bind(_source(what, source, outside), _target(what, target), read_only, propagation=propagation)


def mount(text: str, outside: Outside) -> Bind | tuple[str, str]:
    """``type=bind,...`` as a bind, ``type=tmpfs,...`` as (target, mount options)."""
    what = f"cannot mount '{text}'"
    fields = _fields(what, text)
    kind = fields.pop("type", "bind")
    target = _first(fields, "target", "destination", "dst")
    if kind == "volume":
        raise _no_volumes(what, _first(fields, "source", "src") or "")
    if kind not in ("bind", "tmpfs"):
        raise UsageError(what, why=f"there is no mount type '{kind}'", hint="type=bind or type=tmpfs")
    if target is None:
        raise UsageError(what, why="it names no target", hint=f"--mount {text},target=/PATH")
    if kind == "tmpfs":
        return _mount_tmpfs(what, fields, target)
    source = _first(fields, "source", "src")
    if source is None:
        raise UsageError(what, why="it names no source", hint=f"--mount {text},source=/PATH")
    read_only = _boolean(what, fields, "readonly") or _boolean(what, fields, "ro")
    recursive = not _boolean(what, fields, "bind-nonrecursive")
    spelled = fields.pop("bind-propagation", "private")
    if spelled not in _PROPAGATION:
        raise _unknown_option(what, spelled)
    _check_empty(what, fields, "source, target, readonly, bind-propagation, bind-nonrecursive")
    if "/" not in source and kind == "bind" and source:  # -v would read a volume's name, here a bind was asked for
        source = posixpath.join(outside.cwd(), source)
    return Bind(_source(what, source, outside), _target(what, target), read_only, recursive, _PROPAGATION[spelled])


def tmpfs(text: str) -> tuple[str, str]:
    """``TARGET[:OPTIONS]`` as (target, mount options)."""
    target, _, options = text.partition(":")
    return _target(f"cannot mount a tmpfs at '{text}'", target), options


def check_targets(binds: tuple[Bind, ...], tmpfses: tuple[tuple[str, str], ...]) -> None:
    """Raise :class:`UsageError` when two of them want the same place."""
    seen: set[str] = set()
    for target in (*(bind.target for bind in binds), *(target for target, _ in tmpfses)):
        if target in seen:
            raise UsageError(f"two mounts at '{target}'", why="the second would hide the first", hint="leave one out")
        seen.add(target)


def _source(what: str, source: str, outside: Outside) -> str:
    if source.startswith("~/") or source == "~":
        source = (outside.env("HOME") or "") + source[1:]
    if source.startswith("/"):
        return source
    if not source:
        raise UsageError(what, why="its source is empty", hint="is a variable of your shell unset?")
    if "/" not in source and source not in (".", ".."):
        raise _no_volumes(what, source)
    return posixpath.join(outside.cwd(), source)


def _no_volumes(what: str, name: str) -> UsageError:
    near = f"for the directory of that name write ./{name}; " if name and "/" not in name else ""
    return UsageError(
        what,
        why=f"'{name}' would be a named volume, and there is no daemon that keeps them",
        hint=f"{near}for data that outlives the container bind a directory of yours",
    )


def _target(what: str, target: str) -> str:
    if not target.startswith("/"):
        raise UsageError(what, why=f"its target '{target}' is not an absolute path", hint=f"write /{target}")
    normal = posixpath.normpath("/" + target.lstrip("/"))
    if normal == "/":
        raise UsageError(what, why="the container's root cannot be replaced", hint="choose a directory below it")
    return normal


def _unknown_option(what: str, option: str) -> UsageError:
    if option in ("shared", "rshared"):
        return UsageError(
            what,
            why=f"'{option}' would let mounts made inside appear on the host, which Wherry never does",
            hint="'slave' lets the host's later mounts appear inside",
        )
    known = "ro, rw, private, slave, rprivate, rslave, z, Z"
    return UsageError(what, why=f"there is no option '{option}'", hint=f"the options are: {known}")


def _fields(what: str, text: str) -> dict[str, str]:
    if '"' in text:  # Docker reads it as one line of CSV: a value with a comma is quoted
        import csv

        items = next(csv.reader([text]), [])
    else:
        items = text.split(",")
    fields: dict[str, str] = {}
    for item in items:
        key, _, value = item.partition("=")
        if not key:
            raise UsageError(what, why="it has an empty field", hint="--mount type=bind,source=/data,target=/data")
        fields[key.lower()] = value
    return fields


def _first(fields: dict[str, str], *names: str) -> str | None:
    found = [fields.pop(name) for name in names if name in fields]
    return found[0] if found else None


def _boolean(what: str, fields: dict[str, str], name: str) -> bool:
    value = fields.pop(name, "false").lower()
    if value not in (*_TRUE, *_FALSE):
        raise UsageError(what, why=f"'{name}' is '{value}'", hint=f"{name}=true or {name}=false")
    return value in _TRUE


def _mount_tmpfs(what: str, fields: dict[str, str], target: str) -> tuple[str, str]:
    options = []
    for name, option in (("tmpfs-size", "size"), ("tmpfs-mode", "mode")):
        if name in fields:
            options.append(f"{option}={fields.pop(name)}")
    if _boolean(what, fields, "readonly") or _boolean(what, fields, "ro"):
        options.append("ro")
    _check_empty(what, fields, "target, tmpfs-size, tmpfs-mode, readonly")
    return _target(what, target), ",".join(options)


def _check_empty(what: str, fields: dict[str, str], known: str) -> None:
    if fields:
        raise UsageError(what, why=f"there is no field '{next(iter(fields))}'", hint=f"the fields are: type, {known}")
