"""What was changed in a container that got a private copy of its image's files, since there is no overlay."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wherry.launch import SCRATCH

if TYPE_CHECKING:
    from wherry.containers.kept import Container
    from wherry.containers.world import World
    from wherry.image import Change, Entry, Image, Tree

__all__ = ["changes_of_copy", "copy_of"]


def copy_of(world: World, container: Container) -> str:
    """The private copy of a kept container, empty when it has none."""
    from wherry.containers.starting import plan_kept

    for operation in plan_kept(world, container, container.options).find("COPY"):
        inner = str(operation.fields[1]).removeprefix(SCRATCH)
        for parent in world.kept_parents:
            if os.path.isdir(f"{parent}/{container.id}{inner}"):
                return f"{parent}/{container.id}{inner}"
    return ""


def changes_of_copy(image: Image, copy: str) -> Iterator[Change]:
    """As ``docker diff`` shows it. A file of the same size, mode and time is taken for the same: copies keep these."""
    from wherry.image import Tree, view

    old, new = view(image), Tree([copy])
    yield from _compare(old, old.root, new, new.root)


def _compare(old: Tree, left: Entry, new: Tree, right: Entry) -> Iterator[Change]:
    from wherry.image import Change

    ours = {entry.path: entry for entry in old.entries(left)} if left.is_dir else {}
    theirs = {entry.path: entry for entry in new.entries(right)}
    changed = False
    for path in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(path), theirs.get(path)
        if two is None or one is None:
            changed = True
            yield Change("A" if one is None else "D", path)
            if two is not None and two.is_dir:
                yield from _added(new, two)
        elif one.is_dir and two.is_dir:
            yield from _compare(old, one, new, two)
        elif _differs(one, two):
            yield Change("C", path)
            if two.is_dir:
                yield from _added(new, two)
    owner = stat.S_IRWXU  # a copy's directories are its owner's to enter
    if right.path != "/" and (changed or (left.mode | owner) != (right.mode | owner)):
        yield Change("C", right.path)


def _added(tree: Tree, directory: Entry) -> Iterator[Change]:
    from wherry.image import Change

    for entry in tree.entries(directory):
        yield Change("A", entry.path)
        if entry.is_dir:
            yield from _added(tree, entry)


def _differs(one: Entry, two: Entry) -> bool:
    if stat.S_ISLNK(one.mode) and stat.S_ISLNK(two.mode):
        return one.target != two.target
    return (one.mode, one.size, one.mtime_ns) != (two.mode, two.size, two.mtime_ns)
