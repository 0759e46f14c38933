"""What differs between two images, or between a container and its image."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import msgspec

from wherry.image.local import Image
from wherry.image.tree import Entry, Tree, view

__all__ = ["Change", "changes", "changes_of_folder"]

_CHUNK = 1 << 20


class Change(msgspec.Struct, frozen=True):
    """``kind`` is ``A`` (added), ``C`` (changed) or ``D`` (deleted), ``path`` absolute within the container."""

    kind: str
    path: str


def changes(before: Image, after: Image) -> Iterator[Change]:
    """What ``after`` has that ``before`` has not, and the other way, by path.

    Contents, permissions, link targets and kinds are compared; times are not: two builds of one recipe differ in all
    of them. What both take from the same layers is not read at all.
    """
    old, new = Tree.of(before.layers, exact=True), Tree.of(after.layers, exact=True)
    yield from _compare(old, old.root, new, new.root)


def changes_of_folder(image: Image, upper: str) -> Iterator[Change]:
    """What a container changed: ``upper`` is its writable layer in the overlay's form. As ``docker diff`` shows it:
    a directory in which something changed counts as changed, one that was removed or added brings its content along.
    """
    lower = view(image)
    yield from _compare_upper(lower, lower.root, Tree([upper]).root, Tree([upper]))


def _compare(old: Tree, left: Entry, new: Tree, right: Entry) -> Iterator[Change]:
    ours = {entry.path: entry for entry in old.entries(left)}
    theirs = {entry.path: entry for entry in new.entries(right)}
    for path in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(path), theirs.get(path)
        if two is None:
            yield Change("D", path)
        elif one is None:
            yield Change("A", path)
            yield from _added(new, two)
        elif _same_on_disk(one, two):
            continue
        elif one.is_dir and two.is_dir:
            if stat.S_IMODE(one.mode) != stat.S_IMODE(two.mode):
                yield Change("C", path)
            yield from _compare(old, one, new, two)
        else:
            if _differs(one, two):
                yield Change("C", path)
            if two.is_dir:
                yield from _added(new, two)


def _added(tree: Tree, directory: Entry) -> Iterator[Change]:
    for entry in tree.entries(directory) if directory.is_dir else ():
        yield Change("A", entry.path)
        yield from _added(tree, entry)


def _same_on_disk(one: Entry, two: Entry) -> bool:
    if one.is_dir or two.is_dir:
        return [path for _, path in one.folders] == [path for _, path in two.folders]
    return one.real == two.real


def _differs(one: Entry, two: Entry) -> bool:
    if one.mode != two.mode or one.target != two.target:
        return True
    if not one.is_file:
        return False
    return one.size != two.size or not _same_content(one.real, two.real)


def _same_content(one: str, two: str) -> bool:
    first, second = os.stat(one), os.stat(two)
    if (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino):
        return True
    try:
        with open(one, "rb", buffering=0) as left, open(two, "rb", buffering=0) as right:
            while True:
                chunk = left.read(_CHUNK)
                if chunk != right.read(_CHUNK):
                    return False
                if not chunk:
                    return True
    except PermissionError:
        return first.st_mtime_ns == second.st_mtime_ns  # a file that its owner may not read


def _compare_upper(lower: Tree, below: Entry, directory: Entry, upper: Tree) -> Iterator[Change]:
    folder = directory.real
    hidden = below.is_dir and _is_opaque(folder)
    here = set(os.listdir(folder))
    known = {entry.path.rpartition("/")[2]: entry for entry in lower.entries(below)} if below.is_dir else {}
    if hidden:
        for name in sorted(known.keys() - here):
            yield Change("D", known[name].path)
    for name in sorted(here):
        path = f"{directory.path.rstrip('/')}/{name}"
        found = os.lstat(f"{folder}/{name}")
        before = known.get(name)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            if before is not None:
                yield Change("D", path)
            continue
        entry = upper.stat(path, follow=False)
        if entry is None:
            continue
        yield Change("A" if before is None else "C", path)
        if entry.is_dir:
            nothing = Entry(path, "", 0, 0, 0)
            yield from _compare_upper(lower, before if before is not None and before.is_dir else nothing, entry, upper)


def _is_opaque(folder: str) -> bool:
    for name in ("user.overlay.opaque", "trusted.overlay.opaque"):
        try:
            if os.getxattr(folder, name) == b"y":
                return True
        except OSError:
            continue
    return os.path.lexists(f"{folder}/.wh..wh..opq")  # fuse-overlayfs where it can set no attribute
