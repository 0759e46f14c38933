"""The scripts by which an image's commands are called: what is in them, and reading them back.

A script says in a line of its own (:data:`_MARK`) what it was made of: by that line it is listed, made anew for a newer
image, and removed; a file without it is somebody else's, and is never touched.
"""

from __future__ import annotations

import os
import shlex

import msgspec

from wherry.base.errors import UsageError, WherryError, reason, remedy
from wherry.containers.placing import typed_program
from wherry.containers.world import World

__all__ = ["Exposed", "commands_in", "read_command", "write_command"]

_MARK = "# wherry-expose "
_LARGEST = 64 << 10


class Exposed(msgspec.Struct, frozen=True):
    """One command: ``path`` is its script, ``image`` what the user called it, ``word`` what ``run`` gets (a name with
    its digest, or a path), ``command`` what is run there, ``options`` further words for ``run``, ``module`` the
    modulefile that leads to it."""

    name: str
    path: str
    image: str
    word: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    module: str = ""


def write_command(each: Exposed, world: World) -> None:
    """Make or replace the script; raises :class:`UsageError` for a file's name that no line of it can hold."""
    for text in (each.image, each.path, each.module):
        if not text.isprintable():
            raise UsageError(f"cannot expose '{text}'", why="there are bytes in it that are no text", hint="rename it")
    folder = os.path.dirname(each.path)
    temporary = f"{folder}/.{each.name}.{os.getpid()}"
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(_script(each, typed_program(world)))
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o777 & ~mask)
        os.replace(temporary, each.path)
    except OSError as error:
        hint = remedy(error, write=True) or "name a folder of yours: --dir DIR"
        raise WherryError(f"cannot write '{each.path}'", why=reason(error), hint=hint) from None


def _script(each: Exposed, program: str) -> str:
    words = (program, "run", "--installed", "--entrypoint", "", *each.options, each.word, *each.command)
    return (
        "#!/bin/sh\n"
        f"# '{each.name}' of {each.image}, run by Wherry as if it were installed here.\n"
        "# 'wherry expose --update' and '--remove' change this file; what is changed by hand is lost then.\n"
        f"{_MARK}{msgspec.json.encode(each).decode()}\n"
        f'exec {shlex.join(words)} "$@"\n'
    )


def commands_in(folder: str) -> list[Exposed]:
    """The commands of a folder, by name; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            paths = sorted(entry.path for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    return [found for path in paths if (found := read_command(path)) is not None]


def read_command(path: str) -> Exposed | None:
    """What a script of ours says of itself; None for any other file."""
    try:
        with open(path, "rb", buffering=0) as file:
            if file.read(10) != b"#!/bin/sh\n":
                return None
            lines = file.read(_LARGEST).split(b"\n", 3)
        text = next(line for line in lines[:3] if line.startswith(_MARK.encode()))
        found = msgspec.json.decode(text[len(_MARK) :], type=Exposed)
    except (OSError, StopIteration, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return msgspec.structs.replace(found, name=os.path.basename(path), path=path)  # it may have been moved
