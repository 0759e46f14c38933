"""Paths of a container without namespaces: where on the host a path inside is.

What its engine does for its processes is done here for ``cp``: symbolic links are followed inside, absolute ones from
the container's root, and nothing leads above it.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from wherry.base.errors import WherryError
from wherry.containers.copied import copy_of
from wherry.containers.enter import membership_of, scratch_of
from wherry.launch import SCRATCH, wrapped_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.containers.kept import Container
    from wherry.containers.lookup import Found
    from wherry.containers.transfer import Entry
    from wherry.containers.world import World
    from wherry.launch import Wrapped

__all__ = ["Paths", "paths_of", "read_shown", "write_shown"]

_CURRENT = "\x02"
_MOST_LINKS = 40


class Paths:
    """``root`` is the tree, ``shown`` pairs of a path on the host and where it appears inside, later over earlier."""

    def __init__(self, root: str, shown: tuple[tuple[str, str], ...]) -> None:
        self._root = root
        self._shown = {target.rstrip("/") or "/": source for source, target in shown}

    def real(self, path: str, *, follow: bool = True) -> str:
        """The host's path of a path inside; ``follow`` the last part too. What does not exist is kept as it is."""
        here, todo, links = "/", [part for part in reversed(path.split("/")) if part], 0
        while todo:
            part = todo.pop()
            if part in (".", ".."):
                here = posixpath.dirname(here) if part == ".." else here
                continue
            next_ = posixpath.join(here, part)
            target = "" if next_ in self._shown or not (todo or follow) else self._link(next_)
            if not target:
                here = next_
                continue
            links += 1
            if links > _MOST_LINKS:
                raise WherryError(f"cannot copy '{path}'", why="its symbolic links lead in a circle")
            here = "/" if target.startswith("/") else here
            todo += [name for name in reversed(target.split("/")) if name]
        return self._on_host(here)

    def _link(self, path: str) -> str:
        try:
            return os.readlink(self._on_host(path))
        except OSError:
            return ""

    def _on_host(self, path: str) -> str:
        above, rest = path, ""
        while above not in self._shown:
            if above == "/":
                return f"{self._root}{path}".rstrip("/")
            above, name = posixpath.split(above)
            rest = f"/{name}{rest}"
        return f"{self._shown[above].rstrip('/')}{rest}" or "/"


def paths_of(world: World, found: Found) -> Paths | None:
    """Of a container, running or kept; None where it has namespaces (or would have them)."""
    if found.running is not None:
        membership = membership_of(found.running, found.shown)
        return _paths(membership.join.wrapped, scratch_of(membership), membership.cwd)
    assert found.kept is not None
    return _paths_of_stopped(world, found.kept)


def _paths_of_stopped(world: World, container: Container) -> Paths | None:
    from wherry.containers.starting import plan_kept

    if world.host.userns and container.options.engine in (None, "auto", "namespace"):
        copy = copy_of(world, container) if container.options.copy else ""
        return Paths(copy, ()) if copy else None
    wrapped = wrapped_of(plan_kept(world, container, container.options))
    folders = [f"{parent}/{container.id}" for parent in (wrapped.parents if wrapped else ())]
    scratch = next((folder for folder in folders if os.path.isdir(folder)), "/nonexistent")
    return _paths(wrapped, scratch, "/nonexistent")


def _paths(wrapped: Wrapped | None, scratch: str, current: str) -> Paths | None:
    if wrapped is None:
        return None

    def filled(text: str) -> str:
        return text.replace(SCRATCH, scratch).replace(_CURRENT, current)

    return Paths(filled(wrapped.root), tuple((filled(source), filled(target)) for source, target in wrapped.shown))


def read_shown(paths: Paths, path: str) -> Iterator[Entry]:
    """As :func:`~wherry.containers.transfer.read_tree`, in the container's view. What is shown below it is not read."""
    from wherry.containers.transfer import read_tree

    ending = "/." if path.endswith("/.") else "/" if path.endswith("/") else ""
    real = paths.real(path, follow=bool(ending))
    return _named(read_tree(f"{real}{ending}"), real, path)


def write_shown(paths: Paths, entries: Iterator[Entry], path: str) -> None:
    """As :func:`~wherry.containers.transfer.write_tree`, in the container's view."""
    from wherry.containers.transfer import write_tree

    real = paths.real(path)
    try:
        write_tree(entries, f"{real}/" if path.endswith("/") else real)
    except WherryError as error:
        raise _told(error, real, path) from None


def _named(entries: Iterator[Entry], real: str, path: str) -> Iterator[Entry]:
    try:
        yield from entries
    except WherryError as error:
        raise _told(error, real, path) from None


def _told(error: WherryError, real: str, path: str) -> WherryError:
    """The same error with the path as the user knows it."""
    inside = path.rstrip("/.") or "/"
    return type(error)(
        error.what.replace(real, inside), why=error.why.replace(real, inside), hint=error.hint.replace(real, inside)
    )
