"""Secrets of a build (``--secret``): said on the command line, shown to the steps that ask for them, kept nowhere.

A secret's bytes lie in memory while a step runs, in a folder of its user alone; never in the store, a key, a layer or
the history.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks, NotFound, UsageError, reason, remedy

if TYPE_CHECKING:
    from wherry.base.outside import Outside

__all__ = ["Secret", "fields_of", "in_memory", "parse_secrets", "read_secret"]

_MOST = 500 << 10
"""Bytes, as BuildKit has it: a secret is a token or a key, not data."""

_SHARED_MEMORY = "/dev/shm"


class Secret(msgspec.Struct, frozen=True):
    """Where a secret is: ``source`` is a file's path or, with ``is_variable``, the caller's variable."""

    source: str
    is_variable: bool = False


def parse_secrets(texts: tuple[str, ...], outside: Outside) -> dict[str, Secret]:
    """``id=NAME[,src=FILE|,env=VARIABLE]``; with the name alone it is the variable of that name, else the file."""
    found: dict[str, Secret] = {}
    for text in texts:
        fields = fields_of("--secret", text, ("id", "src", "source", "env", "type"))
        name, kind = fields.get("id", ""), fields.get("type", "")
        source, variable = fields.get("src", fields.get("source", "")), fields.get("env", "")
        what = f"'--secret {text}' cannot be"
        if not name:
            raise UsageError(what, why="it has no id", hint="--secret id=token,src=FILE")
        if kind not in ("", "file", "env"):
            raise UsageError(what, why=f"there is no type '{kind}'", hint="type=file or type=env")
        if source and variable:
            raise UsageError(what, why="it is a file and a variable", hint="leave out src= or env=")
        if kind == "env" and not variable:
            source, variable = "", source or name
        if not source and not variable:
            is_set = kind != "file" and outside.env(name) is not None
            source, variable = ("", name) if is_set else (name, "")
        found[name] = Secret(variable, True) if variable else Secret(os.path.join(outside.cwd(), source))
    return found


def read_secret(name: str, secret: Secret) -> bytes:
    """Its bytes, as they are now. Raises :class:`NotFound`."""
    if secret.is_variable:
        value = os.environb.get(os.fsencode(secret.source))
        if value is None:
            hint = f"export {secret.source}=..."
            raise NotFound(f"the secret '{name}' cannot be had", why=f"'{secret.source}' is not set", hint=hint)
        return value
    try:
        with open(secret.source, "rb", buffering=0) as file:
            value = file.read(_MOST + 1)
    except OSError as error:
        why = f"'{secret.source}': {reason(error)}"
        raise NotFound(f"the secret '{name}' cannot be had", why=why, hint=remedy(error)) from None
    if len(value) > _MOST:
        why = f"'{secret.source}' has more than 500 KiB"
        raise UsageError(f"the secret '{name}' is too large", why=why, hint="bind it: RUN --mount=type=bind")
    return value


@contextmanager
def in_memory(contents: Mapping[str, tuple[bytes, int]], runtime: str) -> Iterator[dict[str, str]]:
    """Files with these contents and modes, by name, until the block ends: where they are.

    They lie in memory where this machine lets a user have a folder there, else in ``runtime``; what a killed build
    left of them goes with the next one.
    """
    parent = _parent(runtime)
    _sweep(parent)
    folder = f"{parent}/{_prefix()}{os.urandom(8).hex()}"
    try:
        lock = _new_folder(folder)
    except OSError as error:
        raise HostLacks(f"no place for secrets in '{parent}'", why=reason(error)) from None
    try:
        paths = {}
        for number, (name, (content, mode)) in enumerate(contents.items()):
            paths[name] = f"{folder}/{number}"
            with open(os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
        yield paths
    finally:
        _remove(folder, lock)
        os.close(lock)


def _new_folder(folder: str) -> int:
    """Make the folder and lock it, under another name at first: another build would sweep it before it is locked."""
    hidden = f"{os.path.dirname(folder)}/.{os.path.basename(folder)}"
    os.mkdir(hidden, 0o700)
    lock = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(hidden, folder)
    return lock


def fields_of(option: str, text: str, names: tuple[str, ...]) -> dict[str, str]:
    """``name=value,...`` with values that may be quoted as in CSV files; raise :class:`UsageError` for other names."""
    found = {}
    for field in next(csv.reader([text]), []):
        name, equals, value = field.partition("=")
        if not equals or name not in names:
            raise UsageError(f"'{option} {text}' cannot be", why=f"'{field}' is none of {', '.join(names)}")
        found[name] = value
    return found


def _parent(runtime: str) -> str:
    from wherry.host import filesystem_type

    for place in (runtime, _SHARED_MEMORY):
        if filesystem_type(place) == "tmpfs" and os.access(place, os.W_OK | os.X_OK):
            return place
    return runtime


def _prefix() -> str:
    return f"wherry-secrets-{os.geteuid()}-"


def _sweep(parent: str) -> None:
    """Remove folders whose builds were killed: nobody holds their lock."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(_prefix()):
                _remove_left(f"{parent}/{name}")


def _remove_left(folder: str) -> None:
    with contextlib.suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder, lock)
        finally:
            os.close(lock)


def _remove(folder: str, opened: int) -> None:
    """Remove a folder of our own. Where everybody may make files its name is anybody's, so it is emptied by its
    descriptor: another user could put a symbolic link to a folder of ours in its place."""
    with contextlib.suppress(OSError):
        found = os.fstat(opened)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return
        for name in os.listdir(opened):
            os.unlink(name, dir_fd=opened)
        os.rmdir(folder)
