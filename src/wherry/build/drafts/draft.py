"""A writable copy of layers. What it holds is known by name, inode and time of change, so that whatever differs later
was changed by a command; a directory has a mark too, since a new one may get the number of the old.

Paths are below the root, without a slash at either end. No command may run in it while it is worked on.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.build.context import copy_content, layers_root
from wherry.image import read_entries

if TYPE_CHECKING:
    from wherry.build.context.sources import Node, View
    from wherry.store import Layer, Store

__all__ = ["MARK", "Draft", "Known", "joined", "mark_of", "opened"]

MARK = "user.overlay.origin"
"""On directories, and on files that are not root's: the path that they were copied to. No layer takes it over."""

_TICK = 0.0005


class Known(msgspec.Struct, frozen=True):
    """How something lay in the draft when it was left to the command."""

    mode: int
    inode: int
    ctime_ns: int
    mtime_ns: int
    attributes: Mapping[str, bytes] = {}

    def is_still(self, status: os.stat_result) -> bool:
        """Whether nothing was done to a file since: every change sets its ctime. So does a mere look at a file that its
        owner may not read: proot gives it another mode for that time."""
        if (self.mode, self.inode) != (status.st_mode, status.st_ino):
            return False
        is_shut = stat.S_ISREG(self.mode) and not self.mode & stat.S_IRUSR
        return self.ctime_ns == status.st_ctime_ns or (is_shut and self.mtime_ns == status.st_mtime_ns)


class Draft:
    """``folder`` is the draft's own, and nobody else's may look into it: set-id bits below are real.

    ``names`` are those of each directory, ``known`` what they name; ``odd`` is what belongs to others than root.
    ``marked``: the file system takes the marks. ``shown``: the names of host and users have been laid over it.
    """

    def __init__(self, store: Store, folder: str) -> None:
        os.chmod(folder, 0o700)
        self.root = f"{folder}/root"
        self.layers: tuple[Layer, ...] = ()
        self.names: dict[str, set[str]] = {}
        self.known: dict[str, Known] = {}
        self.odd: dict[str, Node] = {}
        self.marked = True
        self.shown = False
        self._store = store
        self._trash = f"{folder}/trash"
        self._thrown = 0
        self._stale: set[str] = set()
        self._times: dict[str, int] = {}

    def at(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def follow(self, layers: Sequence[Layer]) -> None:
        """Bring it to these layers, of which the first are those that it is a copy of: what these and a command changed
        is copied anew. Raises :class:`OSError`, :class:`WherryError`."""
        view = layers_root(self._store, layers)
        if not self.names:
            os.mkdir(self._trash)
            self._write(view, view.top())
        else:
            whole: set[str] = set()
            paths = set(self._stale)
            for layer in layers[len(self.layers) :]:
                _add_paths(layer, paths, whole)
            self._restore(view, paths, whole)
        self._end_times()
        self.layers, self._stale, self.shown = tuple(layers), set(), False

    def lay(self, folder: str) -> None:
        """Lay the files of a directory over it, until it follows other layers; directories that are there stay."""
        for place, inner, files in os.walk(folder):
            path = os.path.relpath(place, folder).removeprefix(".")
            if path and path not in self.names:
                self.drop(path)
                self._touch(path.rpartition("/")[0])
                os.mkdir(self.at(path), 0o700)
                self._note_folder(path, stat.S_IMODE(os.lstat(place).st_mode), os.lstat(place).st_mtime_ns, {})
                self._stale.add(path)
            for name in sorted(files):
                self._lay_file(f"{place}/{name}", joined(path, name))
            inner.sort()
        self._end_times()

    def settle(self) -> None:
        """Wait until the file system's clock goes on: what is changed from now on has another ctime."""
        marker = f"{self._trash}/clock"
        open(marker, "w").close()
        before = os.stat(marker).st_ctime_ns
        while os.stat(marker).st_ctime_ns <= before:
            time.sleep(_TICK)
            os.utime(marker)

    def forget(self, path: str) -> None:
        """What was at ``path``, with all in it, is there no more; it is copied anew by the next :meth:`follow`."""
        self._stale.add(path)
        self.names.get(path.rpartition("/")[0], set()).discard(path.rpartition("/")[2])
        pending = [path]
        while pending:
            each = pending.pop()
            self.known.pop(each, None)
            pending += [joined(each, name) for name in self.names.pop(each, ())]

    def renew(self, path: str) -> None:
        """The directory at ``path`` gets mode, time and attributes anew by the next :meth:`follow`."""
        self._stale.add(path)

    def drop(self, path: str) -> None:
        """Away with what is at ``path``, if anything is."""
        known = self.known.get(path)
        if known is None:
            return
        self._touch(path.rpartition("/")[0])
        if path in self.names:
            self._thrown += 1
            with opened(self.at(path)):
                os.rename(self.at(path), f"{self._trash}/{self._thrown}")
        else:
            os.unlink(self.at(path))
        self.forget(path)

    # ---- writing -----------------------------------------------------------------------------------------------------

    def _restore(self, view: View, paths: set[str], whole: set[str]) -> None:
        written: set[str] = set()
        for path in sorted(paths):
            if path in written or any(above in written for above in _above(path)):
                continue
            node = _node_at(view, path)
            if node is None or node.device != (0, 0):
                self.drop(path)
            elif node.is_dir and path in self.names and path not in whole:
                self._touch(path)
                self._note_folder(path, stat.S_IMODE(node.mode), node.mtime_ns, view.attributes(node, -1))
                self._note_owner(path, node)
            elif path.rpartition("/")[0] in self.names:
                self.drop(path)
                self._touch(path.rpartition("/")[0])
                self._write(view, node)
                written.add(path)

    def _write(self, view: View, top: Node) -> None:
        """Copy it, with all that is in it."""
        pending = [top]
        while pending:
            node = pending.pop()
            if node.is_dir:
                os.mkdir(self.at(node.path), 0o700)
                self._note_folder(node.path, stat.S_IMODE(node.mode), node.mtime_ns, view.attributes(node, -1))
                pending += reversed(view.children(node))
            elif node.is_link:
                os.symlink(node.target, self.at(node.path))
            elif node.is_file:
                self._write_file(view, node)
            elif stat.S_ISFIFO(node.mode):
                os.mkfifo(self.at(node.path), 0o600)
                os.chmod(self.at(node.path), stat.S_IMODE(node.mode))
            else:
                continue  # a device: it has no place on disk
            if not node.is_dir:
                os.utime(self.at(node.path), ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)
                self._note_file(node.path)
            self._note_owner(node.path, node)

    def _write_file(self, view: View, node: Node) -> None:
        source = view.open(node)
        try:
            target = os.open(self.at(node.path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                copy_content(source, target, os.fstat(source))
                for name, value in view.attributes(node, -1).items():
                    os.setxattr(target, name, value)
                if _is_odd(node) and self.marked:
                    os.setxattr(target, MARK, os.fsencode(node.path))
                os.fchmod(target, stat.S_IMODE(node.mode))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _lay_file(self, source: str, path: str) -> None:
        self.drop(path)
        self._touch(path.rpartition("/")[0])
        status = os.lstat(source)
        with open(source, "rb") as content, open(self.at(path), "xb") as target:
            copy_content(content.fileno(), target.fileno(), status)
            os.fchmod(target.fileno(), stat.S_IMODE(status.st_mode))
        os.utime(self.at(path), ns=(status.st_mtime_ns, status.st_mtime_ns))
        self._note_file(path)
        self._stale.add(path)

    # ---- noting ------------------------------------------------------------------------------------------------------

    def _note_file(self, path: str) -> None:
        found = os.lstat(self.at(path))
        self.known[path] = Known(found.st_mode, found.st_ino, found.st_ctime_ns, found.st_mtime_ns)
        self.names[path.rpartition("/")[0]].add(path.rpartition("/")[2])

    def _note_folder(self, path: str, mode: int, mtime_ns: int, attributes: Mapping[str, bytes]) -> None:
        """A directory that is there, and may be written to now: mode and time are set in the end."""
        place = self.at(path)
        for name in os.listxattr(place):
            if name.startswith("user.") and name != MARK and name not in attributes:
                os.removexattr(place, name)
        for name, value in attributes.items():
            os.setxattr(place, name, value)
        self._mark_folder(place, path)
        found = os.lstat(place)
        self.known[path] = Known(stat.S_IFDIR | mode, found.st_ino, 0, mtime_ns, dict(attributes))
        self._times[path] = mtime_ns
        self.names.setdefault(path, set())
        if path:
            self.names[path.rpartition("/")[0]].add(path.rpartition("/")[2])

    def _mark_folder(self, place: str, path: str) -> None:
        try:
            os.setxattr(place, MARK, os.fsencode(path) or b"/")
        except OSError:  # a directory is then known by its number alone, and a file's owner is lost when it is written
            self.marked = False

    def _note_owner(self, path: str, node: Node) -> None:
        if _is_odd(node):
            self.odd[path] = node
        else:
            self.odd.pop(path, None)

    def _touch(self, folder: str) -> None:
        """Something is to be made or removed in a directory: it gets its mode and time back in the end."""
        for path in (*[above for above in _above(folder) if not self.known[above].mode & stat.S_IXUSR][::-1], folder):
            if path not in self._times:
                self._times[path] = self.known[path].mtime_ns
                os.chmod(self.at(path), 0o700)

    def _end_times(self) -> None:
        for path in sorted(self._times, reverse=True):
            if path in self.names:
                time_ns = self._times[path]
                os.chmod(self.at(path), stat.S_IMODE(self.known[path].mode))
                os.utime(self.at(path), ns=(time_ns, time_ns))
        self._times = {}


def joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


@contextlib.contextmanager
def opened(place: str) -> Iterator[None]:
    """A file or directory of ours that may be read, written, entered and moved while the block lasts; then it has its
    own mode again, wherever it is."""
    mode = stat.S_IMODE(os.lstat(place).st_mode)
    needed = mode | (stat.S_IRWXU if os.path.isdir(place) else stat.S_IRUSR | stat.S_IWUSR)
    if needed == mode:
        yield
        return
    handle = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.chmod(f"/proc/self/fd/{handle}", needed)
        yield
        os.chmod(f"/proc/self/fd/{handle}", mode)
    finally:
        os.close(handle)


def mark_of(place: str) -> str | None:
    """The path that a file or directory was copied to; None for what is new, or has no owner to remember."""
    try:
        return os.fsdecode(os.getxattr(place, MARK, follow_symlinks=False))
    except PermissionError:
        with opened(place):
            return mark_of(place)
    except OSError:
        return None


def _is_odd(node: Node) -> bool:
    return bool(node.uid or node.gid or node.xattrs)


def _add_paths(layer: Layer, paths: set[str], whole: set[str]) -> None:
    """What a layer names, or hides below it; ``whole`` are directories of which it hides all."""
    for entry in read_entries(layer.table):
        folder, _, name = entry.path.rpartition("/")
        if name == ".wh..wh..opq":
            whole.add(folder)
            paths.add(folder)
        else:
            paths.add(joined(folder, name.removeprefix(".wh.")))


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _node_at(view: View, path: str) -> Node | None:
    node: Node | None = view.top()
    for name in path.split("/") if path else ():
        node = view.child(node, name) if node is not None and node.is_dir else None
    return node
