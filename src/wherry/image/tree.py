"""One view of an image's layers, as the overlay will show them: look-ups without mounting anything.

Symbolic links are followed inside the view: absolute ones start at its root, and nothing leads above it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from wherry.image.local import Image
    from wherry.store import Layer

__all__ = ["Entry", "Tree", "Whiteouts", "view"]

_MOST_LINKS = 40
_OPAQUE = "user.overlay.opaque"


class Entry(msgspec.Struct, frozen=True):
    """Something in the view. ``path`` is where it is there, ``real`` where it is on disk.

    ``mode`` is that of stat(2) without set-id bits; a store keeps others from writing, so what they may do in the image
    is known here of directories open to all, and of the rest in an exact view. ``target`` is a symbolic link's.
    ``folders`` are the directories that make up a merged one, upper first, empty for anything else.
    """

    path: str
    real: str
    mode: int
    size: int
    mtime_ns: int
    target: str = ""
    folders: tuple[tuple[int, str], ...] = ()

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


class Whiteouts(msgspec.Struct, frozen=True):
    """What a layer hides, where its tree cannot say so: paths below the root, without a leading slash."""

    removed: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()


def view(image: Image) -> Tree:
    """The merged view of the image's layers."""
    return Tree.of(image.layers)


class Tree:
    """Look-ups in layers laid over each other. Paths are absolute within the view."""

    def __init__(
        self,
        roots: Iterable[str],
        whiteouts: dict[int, Whiteouts] | None = None,
        modes: dict[int, Mapping[str, int]] | None = None,
        *,
        exact: bool = False,
    ) -> None:
        """``roots`` are trees, the upper first; ``whiteouts``, by position, of those that carry none themselves;
        ``modes``, by position and path, where they differ from those on disk; if ``exact``, of all directories that
        the layer names."""
        found = tuple(roots)
        top = len(found) - 1  # inside, positions count from the lowest: they stay when a layer comes on top
        self._roots = tuple((top - number, root) for number, root in enumerate(found))
        self._whiteouts = {top - number: known for number, known in (whiteouts or {}).items()}
        self._modes = {top - number: known for number, known in (modes or {}).items()}
        self._exact = exact
        self._under: Tree | None = None
        self._known: dict[tuple[tuple[tuple[int, str], ...], str], Entry | None] = {}

    @classmethod
    def of(cls, layers: Iterable[Layer], upper: str = "", *, exact: bool = False) -> Tree:
        """The view of layers, given bottom first as images have them, and of a container's writable layer on top.

        An ``exact`` one reads the tables of layers in which others may write something, to say what.
        """
        upper_first = tuple(layers)[::-1]
        roots = [upper] if upper else []
        whiteouts = {}
        modes: dict[int, Mapping[str, int]] = {}
        for position, layer in enumerate(upper_first, len(roots)):
            if not layer.meta.overlay:
                from wherry.image.table import read_whiteouts

                whiteouts[position] = read_whiteouts(layer.table)
            if exact and layer.meta.closed:
                from wherry.image.table import read_modes

                modes[position] = read_modes(layer.table)
            elif layer.meta.closed:
                modes[position] = dict(layer.meta.open_folders)
        return cls([*roots, *(layer.tree for layer in upper_first)], whiteouts, modes, exact=exact)

    def above(self, layer: Layer) -> Tree:
        """The view with one layer more on top. What was looked up in this one is known there, as far as the layer does
        not hide it: so of a directory that the layer has not, nothing is looked up again."""
        top = Tree.of((layer,), exact=self._exact)
        place = len(self._roots)
        made = Tree((), exact=self._exact)
        made._roots = ((place, layer.tree), *self._roots)
        made._whiteouts = {**self._whiteouts, **{place + number: known for number, known in top._whiteouts.items()}}
        made._modes = {**self._modes, **{place + number: known for number, known in top._modes.items()}}
        made._under, made._known = self, self._known
        return made

    def stat(self, path: str, *, follow: bool = True) -> Entry | None:
        """What is at ``path``, None when there is nothing; ``follow`` the last symbolic link."""
        return self._find(path, follow=follow)[0]

    def exists(self, path: str) -> bool:
        """Whether ``path`` leads to something, symbolic links followed."""
        return self.stat(path) is not None

    def read(self, path: str, limit: int = 1 << 20) -> bytes | None:
        """The first ``limit`` bytes of a regular file; None when it is none, or cannot be read."""
        found = self.stat(path)
        if found is None or not found.is_file:
            return None
        try:
            with open(found.real, "rb", buffering=0) as file:
                data = file.read(limit)
                while len(data) < limit and (more := file.read(limit - len(data))):
                    data += more
        except PermissionError:
            return None
        return data

    def resolve(self, path: str) -> str:
        """``path`` without symbolic links and ``..``; parts that do not exist are kept as they are."""
        return self._find(path, follow=True)[1]

    def listdir(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted; none when it is no directory."""
        found = self.stat(path)
        return tuple(entry.path.rpartition("/")[2] for entry in self.entries(found)) if found else ()

    def entries(self, directory: Entry) -> list[Entry]:
        """What a directory of the view holds, sorted by name."""
        names: set[str] = set()
        for _, folder in directory.folders:
            try:
                names.update(os.listdir(folder))
            except PermissionError:
                continue
        found = (self._child(directory, name) for name in sorted(names))
        return [entry for entry in found if entry is not None]

    def holds(self, path: str, least: int) -> bool:
        """Whether the directories that make up ``path`` hold so many entries, their own and those one level below."""
        found = self.stat(path)
        todo = [(folder, True) for _, folder in found.folders] if found else []
        count = 0
        while todo and count < least:
            folder, further = todo.pop()
            try:
                entries = list(os.scandir(folder))
            except PermissionError:
                continue
            count += len(entries)
            todo += [(entry.path, False) for entry in entries if further and entry.is_dir(follow_symlinks=False)]
        return count >= least

    @cached_property
    def root(self) -> Entry:
        """The view's root directory."""
        if not self._roots:
            return Entry("/", "", stat.S_IFDIR | 0o755, 0, 0)
        folders: list[tuple[int, str]] = []
        for position, root in self._roots:
            folders.append((position, root))
            if self._is_opaque(position, root, ""):
                break
            if self._under is not None:
                folders += self._under.root.folders
                break
        top = os.stat(folders[0][1])
        return Entry("/", folders[0][1], top.st_mode, 0, top.st_mtime_ns, "", tuple(folders))

    def _find(self, path: str, *, follow: bool) -> tuple[Entry | None, str]:
        """The entry, and the path without symbolic links (but a circle of them) and without ``..``.

        Behind a part that does not exist, links are followed on, as if it were a directory: so what is made at the
        path lies within the view, too.
        """
        todo = [part for part in reversed(path.split("/")) if part]
        trail = [self.root]
        missing: list[str] = []
        complete = True
        links = 0
        while todo:
            name = todo.pop()
            if name == ".":
                continue
            if name == "..":
                if missing:
                    missing.pop()
                elif len(trail) > 1:
                    trail.pop()
                continue
            here = trail[-1]
            found = self._child(here, name) if here.is_dir and not missing else None
            if found is not None and stat.S_ISLNK(found.mode) and (todo or follow):
                links += 1
                if links <= _MOST_LINKS:
                    if found.target.startswith("/"):
                        del trail[1:]
                    todo.extend(part for part in reversed(found.target.split("/")) if part)
                    continue
                found = None
            if found is None:
                complete = False
                missing.append(name)
            else:
                trail.append(found)
        if not complete:
            return None, _joined(trail[-1].path, missing) if missing else trail[-1].path
        return trail[-1], trail[-1].path

    def _child(self, directory: Entry, name: str) -> Entry | None:
        key = (directory.folders, name)
        if key not in self._known:
            self._known[key] = self._look(directory, name)
        return self._known[key]

    def _look(self, directory: Entry, name: str) -> Entry | None:
        first: os.stat_result | None = None
        real = ""
        folders: list[tuple[int, str]] = []
        path = _joined(directory.path, [name])
        inner = path[1:]
        for number, (position, folder) in enumerate(directory.folders):
            if number == 1 and (key := (directory.folders[1:], name)) in self._known:
                below = self._known[key]
                if first is None:
                    return below
                if below is not None:
                    folders += below.folders
                break
            candidate = f"{folder}/{name}"
            try:
                found = os.lstat(candidate)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG):
                    raise
                if self._is_removed(position, inner):
                    break
                continue
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                break
            if not stat.S_ISDIR(found.st_mode):
                if first is None:
                    first, real = found, candidate
                break
            if first is None:
                first, real = found, candidate
            folders.append((position, candidate))
            if self._is_opaque(position, candidate, inner) or self._is_removed(position, inner):
                break
        if first is None:
            return None
        target = os.readlink(real) if stat.S_ISLNK(first.st_mode) else ""
        mode = self._mode(first.st_mode, position, folders, inner)
        return Entry(path, real, mode, first.st_size, first.st_mtime_ns, target, tuple(folders))

    def _mode(self, found: int, position: int, folders: list[tuple[int, str]], inner: str) -> int:
        """The image's mode of what lies at ``position``, or of a directory that these make up."""
        for layer in [number for number, _ in folders] or [position]:
            known = self._modes.get(layer)
            if known is not None and inner in known:
                return stat.S_IFMT(found) | known[inner]
            if known is None or not self._exact:
                break  # what the disk says is right; else the layer does not name it: a lower one does
        return found

    def _is_removed(self, position: int, inner: str) -> bool:
        known = self._whiteouts.get(position)
        return known is not None and inner in known.removed

    def _is_opaque(self, position: int, folder: str, inner: str) -> bool:
        if position == 0:
            return False
        known = self._whiteouts.get(position)
        if known is not None:
            return inner in known.opaque
        try:
            return os.getxattr(folder, _OPAQUE) == b"y"
        except OSError:
            return False


def _joined(base: str, names: list[str]) -> str:
    return f"{base.rstrip('/')}/{'/'.join(names)}"
