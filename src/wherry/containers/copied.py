"""What was changed in a container that got a private copy of its image's files, since there is no overlay."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wherry.launch import SCRATCH, wrapped_of

if TYPE_CHECKING:
    from wherry.containers.kept import Container
    from wherry.containers.world import World
    from wherry.image import Change, Entry, Image, Tree

__all__ = ["changes_of_copy", "copy_of"]


def copy_of(world: World, container: Container) -> str:
    """The private copy of a kept container, empty when it has none."""
    return _copy(world, container)[0]


def changes_of_copy(world: World, container: Container, image: Image) -> Iterator[Change]:
    """As ``docker diff`` shows it; none without a copy. A file of the same size, mode and time is taken for the same:
    copies keep these. What lies below a shown directory is not seen inside, and left out."""
    from wherry.image import Tree, view

    copy, shown = _copy(world, container)
    if not copy:
        return
    old, new = view(image), Tree([copy])
    for change in _compare(old, old.root, new, new.root):
        if not change.path.startswith(shown):
            yield change


def _copy(world: World, container: Container) -> tuple[str, tuple[str, ...]]:
    """The copy's place, and the directories (with a slash) over which something else is shown."""
    from wherry.containers.starting import plan_kept

    plan = plan_kept(world, container, container.options)
    wrapped = wrapped_of(plan)
    shown = tuple(f"{target}/" for _, target in wrapped.shown) if wrapped is not None else ()
    for operation in plan.find("COPY"):
        inner = str(operation.fields[1]).removeprefix(SCRATCH)
        for parent in world.kept_parents:
            if os.path.isdir(f"{parent}/{container.id}{inner}"):
                return f"{parent}/{container.id}{inner}", shown
    return "", ()


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
    if right.path != "/" and (changed or _permissions(left) != _permissions(right)):
        yield Change("C", right.path)


def _added(tree: Tree, directory: Entry) -> Iterator[Change]:
    from wherry.image import Change

    for entry in tree.entries(directory):
        yield Change("A", entry.path)
        if entry.is_dir:
            yield from _added(tree, entry)


def _permissions(directory: Entry) -> int:
    """Without what a copy may lose (the sticky bit, others' right to write) or gains (its owner may enter)."""
    return directory.mode & 0o755 | stat.S_IRWXU


def _differs(one: Entry, two: Entry) -> bool:
    if stat.S_ISLNK(one.mode) and stat.S_ISLNK(two.mode):
        return one.target != two.target
    return (one.mode, one.size, one.mtime_ns) != (two.mode, two.size, two.mtime_ns)
