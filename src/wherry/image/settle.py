"""What a layer takes from those below it: targets of its hard links, attributes of directories that it does not name.

Such a layer depends on what lies below, so it is kept under another key than its diff id (:func:`dependent_key`).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, StoreError
from wherry.image.apply import Summary, printable
from wherry.image.tree import Entry, Tree
from wherry.store import Layer

__all__ = ["dependent_key", "depends", "settle"]


def depends(summary: Summary) -> bool:
    """Whether the layer's tree is not the same on whatever it lies."""
    return bool(summary.links or summary.implicit)


def dependent_key(below: Digest | None, diff_id: Digest) -> str:
    """The key of a layer that depends on those below, whose chain id is ``below``."""
    return Digest.of(f"{below or '-'} {diff_id}".encode()).hex


def settle(tree: str, summary: Summary, below: Sequence[Layer], subject: str) -> bool:
    """Complete the tree from the layers below (bottom first). False when it can no longer give back its exact tar.

    Raises :class:`BrokenArchive` when a hard link leads to nothing.
    """
    view = Tree.of(below)
    try:
        exact = _adopt_directories(tree, summary.implicit, view)
        for path, target, own in summary.links:
            _make_link(tree, path, target, Tree([tree]) if own else view, subject)
    except OSError as error:
        raise StoreError(f"'{subject}' cannot be completed in '{tree}'", why=str(error)) from error
    return exact


def _adopt_directories(tree: str, implicit: Sequence[str], view: Tree) -> bool:
    exact = True
    found: list[tuple[str, Entry]] = []
    for path in implicit:  # parents come first
        inside = f"{tree}/{path}"
        lower = view.stat(f"/{path}", follow=False)
        if lower is None or not os.path.isdir(inside) or os.path.islink(inside):
            continue
        if lower.is_dir:
            found.append((inside, lower))
        elif stat.S_ISLNK(lower.mode):
            # Below, it is a link to a directory: what this layer puts into it belongs there, and the link stays.
            real = view.resolve(f"/{path}").lstrip("/")
            _relocate(inside, f"{tree}/{real}", tree, real, view, found)
            exact = False
    for inside, lower in reversed(found):
        _adopt(inside, lower)
    return exact


def _adopt(inside: str, lower: Entry) -> None:
    for name in os.listxattr(lower.real):
        if name.startswith("user.") and not name.startswith("user.overlay."):
            os.setxattr(inside, name, os.getxattr(lower.real, name))
    os.chmod(inside, stat.S_IMODE(lower.mode) & 0o1777)
    os.utime(inside, ns=(lower.mtime_ns, lower.mtime_ns))


def _relocate(source: str, target: str, tree: str, real: str, view: Tree, found: list[tuple[str, Entry]]) -> None:
    path = ""
    for part in real.split("/"):
        path = f"{path}/{part}"
        if not os.path.lexists(tree + path):
            os.mkdir(tree + path, 0o755)
            lower = view.stat(path, follow=False)
            if lower is not None and lower.is_dir:
                found.append((tree + path, lower))
    _merge(source, target)


def _merge(source: str, target: str) -> None:
    for name in os.listdir(source):
        ours, theirs = f"{source}/{name}", f"{target}/{name}"
        if os.path.isdir(ours) and not os.path.islink(ours) and os.path.isdir(theirs) and not os.path.islink(theirs):
            _merge(ours, theirs)
        elif not os.path.lexists(theirs):
            os.rename(ours, theirs)
        elif os.path.isdir(ours) and not os.path.islink(ours):
            shutil.rmtree(ours)
        else:
            os.unlink(ours)
    os.rmdir(source)


def _make_link(tree: str, path: str, target: str, view: Tree, subject: str) -> None:
    place = f"{tree}/{path}"
    if os.path.lexists(place):
        return  # a later entry of the layer took its place
    found = view.stat(f"/{target}", follow=False)
    if found is None or found.is_dir:
        why = f"'{printable(path)}' is a hard link to '{printable(target)}', which does not exist"
        raise BrokenArchive(f"'{subject}' cannot be unpacked", why=why)
    folder = os.path.dirname(place)
    before = os.stat(folder)
    if not before.st_mode & stat.S_IWUSR:
        os.chmod(folder, stat.S_IMODE(before.st_mode) | stat.S_IWUSR)
    try:
        os.link(found.real, place, follow_symlinks=False)
    except OSError as error:
        # Another file system (a site's store), another's file, too many links: a copy has the same content.
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.EOPNOTSUPP):
            raise
        shutil.copy2(found.real, place, follow_symlinks=False)
    if not before.st_mode & stat.S_IWUSR:
        os.chmod(folder, stat.S_IMODE(before.st_mode))
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
