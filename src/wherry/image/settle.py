"""What a layer takes from those below it: targets of its hard links, attributes of directories that it does not name.

Such a layer depends on what lies below, so it is kept under another key than its diff id (:func:`dependent_key`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Sequence

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, HostileArchive, StoreError
from wherry.image.apply import Summary, printable
from wherry.image.tree import Entry, Tree
from wherry.image.unfinished import Unfinished, is_folder, is_whiteout
from wherry.store import Layer

__all__ = ["Settled", "dependent_key", "depends", "settle"]


class Settled(msgspec.Struct, frozen=True):
    """``exact``: tree and table still give back the tar. ``open`` are directories that everybody may write, with their
    modes; ``closed``: something has fewer permissions on disk than the image says."""

    exact: bool
    closed: bool
    open: tuple[tuple[str, int], ...]


def depends(summary: Summary) -> bool:
    """Whether the layer's tree is not the same on whatever it lies."""
    return bool(summary.links or summary.implicit)


def dependent_key(below: Digest | None, diff_id: Digest) -> str:
    """The key of a layer that depends on those below, whose chain id is ``below``."""
    return Digest.of(f"{below or '-'} {diff_id}".encode()).hex


def settle(tree: str, summary: Summary, below: Sequence[Layer], subject: str) -> Settled:
    """Complete the tree from the layers below (bottom first).

    Raises :class:`BrokenArchive` when a hard link leads to nothing, :class:`HostileArchive` when something would have
    to be made in what is no directory of the tree (any more).
    """
    view = Tree.of(below)
    try:
        with Unfinished(tree) as unfinished:
            moved, opened = _adopt_directories(unfinished, summary.implicit, view, subject)
            for path, target, own in summary.links:
                source = view.stat(f"/{target}", follow=False)
                if own:
                    source = Tree([tree]).stat(f"/{_moved(target, moved)}", follow=False)
                if source is None or source.is_dir:
                    why = f"'{printable(path)}' is a hard link to '{printable(target)}', which does not exist"
                    raise BrokenArchive(f"'{subject}' cannot be unpacked", why=why)
                _make_link(unfinished, _moved(path, moved), source, subject)
    except OSError as error:
        raise StoreError(f"'{subject}' cannot be completed in '{tree}'", why=str(error)) from error
    opened |= {_moved(path, moved): mode for path, mode in summary.open}
    closed = summary.closed or any(layer.meta.closed for layer in below)
    return Settled(not moved, closed, tuple(opened.items()))


def _adopt_directories(
    unfinished: Unfinished, implicit: Sequence[str], view: Tree, subject: str
) -> tuple[dict[str, str], dict[str, int]]:
    """Give them what they have below. Returns which had to be moved where, and the modes of those open to all."""
    moved: dict[str, str] = {}
    opened: dict[str, int] = {}
    for path in implicit:  # parents come first
        place = _moved(path, moved)
        lower = view.stat(f"/{path}", follow=False)
        if lower is None or not unfinished.has(place):
            continue
        if lower.is_dir:
            _adopt(unfinished, place, lower)
            if lower.mode & stat.S_IWOTH:
                opened[place] = stat.S_IMODE(lower.mode)
        elif stat.S_ISLNK(lower.mode):
            # Below, it is a link to a directory: what this layer puts into it belongs there, and the link stays.
            real = view.resolve(f"/{path}").lstrip("/")
            if _leads_to_directory(view, real):
                _relocate(unfinished, place, real, view, subject)
                moved[path] = real
    return moved, opened


def _moved(path: str, moved: dict[str, str]) -> str:
    """Where ``path`` is now: the nearest directory above it that was moved took it along."""
    before = next((step for step in reversed(_steps(path)) if step in moved), "") if moved else ""
    return f"{moved[before]}{path[len(before) :]}".lstrip("/") if before else path


def _leads_to_directory(view: Tree, real: str) -> bool:
    """Whether a path without links leads to directories, as far as anything is there; else the link hides behind."""
    found = (view.stat(f"/{path}", follow=False) for path in _steps(real))
    return all(lower is None or lower.is_dir for lower in found)


def _steps(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _adopt(unfinished: Unfinished, path: str, lower: Entry) -> None:
    xattrs: dict[str, bytes] = {}
    with contextlib.suppress(PermissionError):  # a directory that its owner may not read
        names = [name for name in os.listxattr(lower.real) if name.startswith("user.")]
        xattrs = {name: os.getxattr(lower.real, name) for name in names if not name.startswith("user.overlay.")}
    unfinished.describe(path, stat.S_IMODE(lower.mode) & 0o1755, lower.mtime_ns, xattrs)


def _relocate(unfinished: Unfinished, path: str, real: str, view: Tree, subject: str) -> None:
    for step in _steps(real):
        if unfinished.make(step):
            lower = view.stat(f"/{step}", follow=False)
            if lower is not None:
                _adopt(unfinished, step, lower)
        elif not unfinished.has(step):
            raise _refused(subject, path, step)
    aside = f".wherry-{os.urandom(8).hex()}"  # the target may lie above what is moved there
    unfinished.move(path, aside)
    _merge(unfinished, aside, real)
    unfinished.remove(aside)


def _merge(unfinished: Unfinished, source: str, target: str) -> None:
    """Move what is in one directory to another, where this layer's own entries are kept."""
    pending = [(source, target)]
    while pending:
        ours, theirs = pending.pop()
        if unfinished.is_opaque(ours):
            unfinished.make_opaque(theirs)
        with unfinished.folder(ours) as from_, unfinished.folder(theirs) as to:
            for name in os.listdir(from_):
                inside, outside = f"{ours}/{name}", f"{theirs}/{name}".lstrip("/")
                mine = os.stat(name, dir_fd=from_, follow_symlinks=False)
                other = _status(to, name)
                if other is not None and is_whiteout(other) and not is_whiteout(mine):
                    os.unlink(name, dir_fd=to)
                    unfinished.move(inside, outside)
                    if is_folder(mine):
                        unfinished.make_opaque(outside)
                elif other is None:
                    unfinished.move(inside, outside)
                elif is_folder(mine) and is_folder(other):
                    pending.append((inside, outside))


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _make_link(unfinished: Unfinished, path: str, source: Entry, subject: str) -> None:
    folder, _, name = path.rpartition("/")
    try:
        with unfinished.folder(folder) as descriptor:
            if _status(descriptor, name) is not None:
                return  # a later entry of the layer took its place
            try:
                os.link(source.real, name, dst_dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                # Another file system (a site's store), another's file, too many links: a copy has the same content.
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.EOPNOTSUPP):
                    raise
                shutil.copy2(source.real, f"/proc/self/fd/{descriptor}/{name}", follow_symlinks=False)
    except (NotADirectoryError, FileNotFoundError):
        raise _refused(subject, path, folder) from None


def _refused(subject: str, path: str, folder: str) -> HostileArchive:
    return HostileArchive(
        f"'{subject}' is refused",
        why=f"at '{printable(path)}': '{printable(folder)}' is no directory of the layer any more",
        hint="such a layer is made on purpose or by a broken tool: do not use this image before you know which",
    )
