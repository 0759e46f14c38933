"""Links by which Wherry is called under a peer's name: making, listing and removing them.

A link leads to the ``wherry`` program, which finds its Python beside itself, so it works wherever that was installed
to. What is no such link is somebody's real program and is never touched unasked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

import msgspec

from wherry.base.errors import Conflict, NotFound, UsageError, WherryError, reason, remedy
from wherry.containers.changes import Change
from wherry.containers.peers import PEERS
from wherry.containers.placing import absolute, found_programs, own_folder, own_program, search_path
from wherry.containers.world import World

__all__ = ["Shim", "install_shims", "plan_install_shims", "plan_remove_shims", "remove_shims", "shims"]


class Shim(msgspec.Struct, frozen=True):
    """A peer's program: ``path`` is our link for it, ``found`` what its name leads to in PATH; each may be empty."""

    name: str
    path: str
    found: str

    @property
    def state(self) -> str:
        """In words: whether typing the name calls Wherry, and if not, why."""
        if not self.path:
            return "not installed"
        if is_shim(self.found):
            return "in use"
        return f"hidden by {self.found}" if self.found else "not in PATH"


def shims(folder: str = "", *, world: World | None = None) -> tuple[Shim, ...]:
    """All peers, with the links in ``folder`` (default: where they are put, or in PATH)."""
    world = world or World(make_store=False)
    folders = [absolute(folder, world)] if folder else [own_folder(world), *search_path(world)]
    return tuple(_shim(name, folders, world) for name in PEERS)


def install_shims(
    names: Iterable[str], folder: str = "", *, force: bool = False, world: World | None = None
) -> tuple[Shim, ...]:
    """Make the links; where each now stands. With ``force`` also over other programs.

    Raises :class:`UsageError` for a name that is no peer's, :class:`Conflict` where another program is; nothing is
    made then.
    """
    world = world or World(make_store=False)
    names, place = _checked(names), _place(folder, world)
    for change in plan_install_shims(names, place, force=force, world=world):
        try:
            os.makedirs(place, exist_ok=True)
            temporary = f"{place}/.{os.path.basename(change.name)}.{os.getpid()}"
            os.symlink(change.target, temporary)
            os.replace(temporary, change.name)  # a program that was there is there until the link is
        except OSError as error:
            hint = remedy(error, write=True) or "name a folder of yours: --dir DIR"
            raise WherryError(f"cannot make the link '{change.name}'", why=reason(error), hint=hint) from None
    return tuple(_shim(name, [place], world) for name in names)


def plan_install_shims(
    names: Iterable[str], folder: str = "", *, force: bool = False, world: World | None = None
) -> tuple[Change, ...]:
    """What :func:`install_shims` would do; raises as that does."""
    world = world or World(make_store=False)
    names, place, program = _checked(names), _place(folder, world), own_program(world)
    found = []
    for name in names:
        path = f"{place}/{name}"
        if os.path.islink(path) and os.readlink(path) == program:
            continue
        if os.path.lexists(path) and not is_shim(path):
            _require_replaceable(path, force)
            found.append(Change("replace", "program", path, program))
        else:
            found.append(Change("link", "program", path, program))
    return tuple(found)


def remove_shims(names: Iterable[str], folder: str = "", *, world: World | None = None) -> tuple[str, ...]:
    """Remove the links; their paths. Raises :class:`NotFound`, or :class:`Conflict` for what is not a link of ours."""
    changes = plan_remove_shims(names, folder, world=world)
    for change in changes:
        try:
            os.unlink(change.name)
        except OSError as error:
            raise WherryError(f"cannot remove '{change.name}'", why=reason(error)) from None
    return tuple(change.name for change in changes)


def plan_remove_shims(names: Iterable[str], folder: str = "", *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`remove_shims` would do; raises as that does."""
    world = world or World(make_store=False)
    found = []
    for shim in shims(folder, world=world):
        if shim.name not in _checked(names):
            continue
        if not shim.path:
            place = _place(folder, world)
            if os.path.lexists(f"{place}/{shim.name}"):
                raise Conflict(f"'{place}/{shim.name}' is not removed", why="it is a program, not a link of Wherry's")
            raise NotFound(f"there is no shim '{shim.name}' in '{place}'", hint="wherry shim list")
        found.append(Change("remove", "link", shim.path))
    return tuple(found)


def is_shim(path: str) -> bool:
    """Whether a path is a link by a peer's name to Wherry, this one or another."""
    return os.path.islink(path) and os.path.basename(os.path.realpath(path)) == "wherry"


def _shim(name: str, folders: list[str], world: World) -> Shim:
    path = next((f"{folder}/{name}" for folder in folders if is_shim(f"{folder}/{name}")), "")
    return Shim(name, path, next(found_programs(name, world), ""))


def _checked(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in PEERS:
            known = ", ".join(PEERS)
            raise UsageError(f"Wherry does not speak for '{name}'", why=f"it does for {known}")
    if not found:
        raise UsageError("no program is named", hint=f"one or more of {', '.join(PEERS)}")
    return found


def _require_replaceable(path: str, force: bool) -> None:
    if stat.S_ISDIR(os.lstat(path).st_mode):
        raise Conflict(f"'{path}' is a directory", hint="name another folder: --dir DIR")
    if not force:
        raise Conflict(
            f"'{path}' is another program",
            why="it would be lost",
            hint="name another folder (--dir DIR) that comes before it in PATH, or say --force",
        )


def _place(folder: str, world: World) -> str:
    return absolute(folder, world) if folder else own_folder(world)
