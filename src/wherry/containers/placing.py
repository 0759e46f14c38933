"""Where programs go that Wherry makes for its users, and the program that these call: the ``wherry`` that runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from wherry.base.errors import NotFound, UsageError
from wherry.containers.world import World

__all__ = ["absolute", "found_programs", "home_folder", "own_folder", "own_program", "search_path", "typed_program"]


def search_path(world: World) -> list[str]:
    """The absolute folders of PATH, in their order."""
    return [folder for folder in (world.outside.env("PATH") or "").split(":") if folder.startswith("/")]


def found_programs(name: str, world: World) -> Iterator[str]:
    """All programs of that name that PATH leads to; the first is what a shell calls."""
    for folder in search_path(world):
        path = f"{folder}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def own_program(world: World) -> str:
    """The ``wherry`` that runs, without links: the program that lies beside the Python part it handed over to."""
    folders = (os.path.dirname(os.path.abspath(sys.argv[0])), os.path.dirname(sys.executable), *search_path(world))
    for folder in folders:
        path = os.path.realpath(f"{folder}/wherry")
        if os.access(path, os.X_OK) and os.path.isfile(f"{os.path.dirname(path)}/wherry-python"):
            return path
    raise NotFound("the program 'wherry' is not found", why="neither beside this one nor in PATH", hint="install it")


def typed_program(world: World) -> str:
    """The same as the shell finds it: a link to it outlives the installation that it leads to."""
    program = own_program(world)
    return next((path for path in found_programs("wherry", world) if os.path.realpath(path) == program), program)


def own_folder(world: World) -> str:
    """Where ``wherry`` itself is found in PATH, so that who can type the one can type the other (in a virtual
    environment: there); where that cannot be written, :func:`home_folder`."""
    folder = os.path.dirname(typed_program(world))
    return folder if folder in search_path(world) and os.access(folder, os.W_OK) else home_folder(world)


def home_folder(world: World) -> str:
    """``~/.local/bin``: the user's own programs (systemd's file-hierarchy(7), XDG base directories)."""
    home = world.outside.home()
    if not home:
        raise UsageError("it is not known where to put programs", why="HOME is not set", hint="--dir DIR")
    return f"{home}/.local/bin"


def absolute(folder: str, world: World) -> str:
    """A folder as a user writes it."""
    return os.path.normpath(os.path.join(world.outside.cwd(), os.path.expanduser(folder)))
