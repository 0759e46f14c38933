"""Where a build copies from: a folder (a context), or the view of layers (another stage, an image, an archive).

Paths are below the root, without a slash at either end; empty is the root. Nothing outside of the root is ever read:
symbolic links on the way of a path are followed inside of it, and what is opened is reached name by name below
descriptors, so that a directory that somebody swaps for a link meanwhile leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Protocol

import msgspec

from wherry.base.errors import NotFound, WherryError, reason, remedy
from wherry.base.outside import Stamp
from wherry.build.context.ignore import NOTHING, Ignore
from wherry.image import Entry, Tree

__all__ = ["Folder", "Node", "Owner", "Root", "Seen", "View", "changed", "follow"]

_MOST_LINKS = 40
_AT = os.O_NOFOLLOW | os.O_CLOEXEC
_STEERING = ("user.overlay.", "user.fuseoverlayfs.", "user.wherry.")
_TYPES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK}


class Owner(Protocol):
    """Whose something in a layer is (:class:`wherry.image.making.Owner`): what its tree cannot show."""

    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def mode(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def device(self) -> tuple[int, int]: ...
    @property
    def xattrs(self) -> dict[str, bytes]: ...


class Node(msgspec.Struct, frozen=True):
    """Something that can be copied. ``mode`` is that of stat(2), set-id bits included; ``stamp`` tells whether it was
    changed (device, inode, size, time, time of change); ``xattrs`` are those that no tree has."""

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    stamp: tuple[int, int, int, int, int]
    links: int = 1
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = {}
    real: str = ""

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Root(Protocol):
    """A set of files below a root, that stays as it is while it is read (else reading it is an error)."""

    shown: str
    ignore: Ignore
    keeps: bool
    """Whether owners and hard links are those of the source: in a folder they are whoever's."""
    dated: bool
    """Whether times are: in a folder they are mostly those of a checkout."""
    identity: str
    """Of two roots with the same one (not empty) all is the same, for ever."""

    def top(self) -> Node: ...
    def child(self, folder: Node, name: str) -> Node | None:
        """What ``folder`` holds under a name, symbolic links as such; None when there is nothing."""
        ...

    def children(self, folder: Node) -> list[Node]:
        """All that ``folder`` holds, sorted by name."""
        ...

    def open(self, node: Node) -> int:
        """A descriptor of a regular file; raises :class:`WherryError` when it is another one by now."""
        ...

    def is_as_seen(self, node: Node, status: os.stat_result) -> bool:
        """Whether an open file is still what it was."""
        ...

    def attributes(self, node: Node, descriptor: int) -> Mapping[str, bytes]:
        """The extended attributes that are copied with a file or directory, those that no tree has apart."""
        ...


Seen = Callable[[str, Stamp], bool]
"""Is told of a path that was looked at, and what was there; of a folder that was listed, before that. False: it wants
to know no more."""


class Folder:
    """A folder of the host as root's: owners, attributes and hard links in it depend on who made it, where. What an
    ignore file names is not there. ``seen`` is told of what decides what the folder is, as far as somebody asks."""

    keeps = False
    identity = ""

    def __init__(
        self,
        path: str,
        shown: str = "the context",
        ignore: Ignore = NOTHING,
        *,
        dated: bool = False,
        seen: Seen | None = None,
    ) -> None:
        """Raises :class:`NotFound` when there is no such directory."""
        self.dated = dated
        self._seen = seen
        self.shown = shown
        self.path = path
        self.ignore = ignore
        try:
            self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFound(f"'{path}' cannot be read", why=reason(error), hint=remedy(error)) from None
        self._last: tuple[str, int] = ("", self._top)
        self._lock = threading.Lock()  # files are opened by several threads

    def __del__(self) -> None:
        for descriptor in {self._last[1], self._top} if hasattr(self, "_last") else ():
            os.close(descriptor)

    def top(self) -> Node:
        return self._node("", os.fstat(self._top), self._top, "")

    def child(self, folder: Node, name: str) -> Node | None:
        path = f"{folder.path}/{name}".lstrip("/")
        if not self._is_there(path):
            return None
        try:
            parent = self._open_folder(folder.path)
            found = self._node(path, os.stat(name, dir_fd=parent, follow_symlinks=False), parent, name)
            self.note((found,))
            return found
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                if self._seen is not None:
                    self._seen(f"{self.path}/{path}", Stamp(False))
                return None
            raise self._unreadable(path, error) from None

    def note(self, nodes: Iterable[Node]) -> None:
        """These count: their kinds, their contents, what they hold."""
        if self._seen is None:
            return
        for node in nodes:  # the root may be a link to one
            if not self._seen(f"{self.path}/{node.path or '.'}", Stamp(True, *node.stamp, node.mode)):
                self._seen = None
                return

    def children(self, folder: Node) -> list[Node]:
        self.note((folder,))
        try:
            parent = self._open_folder(folder.path)
            with os.scandir(parent) as entries:
                found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
            found.sort(key=lambda each: os.fsencode(each[0]))
            prefix = f"{folder.path}/" if folder.path else ""
            return [self._node(prefix + name, status, parent, name) for name, status in self._kept(prefix, found)]
        except OSError as error:
            raise self._unreadable(folder.path, error) from None

    def open(self, node: Node) -> int:
        folder, _, name = node.path.rpartition("/")
        try:
            with self._lock:
                descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _AT, dir_fd=self._open_folder(folder))
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                raise changed(self.shown, node.path) from None
            raise self._unreadable(node.path, error) from None
        if not self.is_as_seen(node, os.fstat(descriptor)):
            os.close(descriptor)
            raise changed(self.shown, node.path)
        return descriptor

    def is_as_seen(self, node: Node, status: os.stat_result) -> bool:
        return _stamp(status) == node.stamp

    def attributes(self, node: Node, descriptor: int) -> Mapping[str, bytes]:
        return {}

    def _kept(self, prefix: str, found: list[tuple[str, os.stat_result]]) -> Iterator[tuple[str, os.stat_result]]:
        if not self.ignore:
            yield from found
            return
        above = self.ignore.last(prefix[:-1]) if prefix else -1
        for name, status in found:
            position = self.ignore.next(prefix + name, above)
            is_dir = stat.S_ISDIR(status.st_mode)
            if not self.ignore.ignores(position) or (is_dir and self.ignore.may_hold(prefix + name)):
                yield name, status

    def _is_there(self, path: str) -> bool:
        return not (self.ignore and self.ignore.matches(path) and not self.ignore.may_hold(path))

    def _node(self, path: str, status: os.stat_result, parent: int, name: str) -> Node:
        mode = status.st_mode
        target = os.readlink(name, dir_fd=parent) if stat.S_ISLNK(mode) else ""
        return Node(path, mode, 0, 0, status.st_size, status.st_mtime_ns, _stamp(status), 1, target)

    def _open_folder(self, path: str) -> int:
        """A descriptor of a directory; the last one is kept, since what is asked for next mostly lies there too."""
        if path == self._last[0]:
            return self._last[1]
        kept, descriptor = self._last if path.startswith(f"{self._last[0]}/") else ("", self._top)
        opened: list[int] = []
        try:
            for name in filter(None, path[len(kept) :].split("/")):
                descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _AT, dir_fd=descriptor)
                opened.append(descriptor)
        except BaseException:
            for each in opened:
                os.close(each)
            raise
        old = self._last[1]
        self._last = (path, descriptor)
        for each in {old, *opened} - {descriptor, self._top}:
            os.close(each)
        return descriptor

    def _unreadable(self, path: str, error: OSError) -> WherryError:
        if error.errno == errno.ENOENT:
            return changed(self.shown, path)
        shown = f"{self.path}/{path}" if path else self.path
        hint = "'ls -l' shows who may read it; a line in '.dockerignore' leaves it out"
        return WherryError(f"'{shown}' cannot be read", why=reason(error), hint=hint)


class View:
    """The merged view of layers, with owners, devices and attributes as their tables say."""

    keeps = True
    dated = True
    ignore = NOTHING

    def __init__(
        self,
        tree: Tree,
        owner: Callable[[Entry], Owner],
        devices: Callable[[], Mapping[str, Mapping[str, Owner]]],
        closed: Callable[[str], Iterable[bytes]],
        shown: str = "the stage",
        identity: str = "",
    ) -> None:
        """``devices`` are by folder (``/dev``) and name: no tree has them. ``closed`` is the content of a file, by
        where it is on disk, that its own owner may not read."""
        self.shown = shown
        self.identity = identity
        self._tree = tree
        self._owner = owner
        self._find_devices = devices
        self._closed = closed
        self._copies: set[tuple[int, int]] = set()

    @cached_property
    def _devices(self) -> Mapping[str, Mapping[str, Owner]]:
        return self._find_devices()

    def top(self) -> Node:
        return self._node(self._tree.root)

    def child(self, folder: Node, name: str) -> Node | None:
        found = self._tree.stat(f"/{folder.path}/{name}", follow=False)
        if found is not None:
            return self._node(found)
        device = self._devices.get(f"/{folder.path}", {}).get(name)
        return _device(f"{folder.path}/{name}".lstrip("/"), device) if device is not None else None

    def children(self, folder: Node) -> list[Node]:
        entry = self._tree.stat(f"/{folder.path}")
        assert entry is not None
        found = [self._node(each) for each in self._tree.entries(entry)]
        for name, device in self._devices.get(entry.path, {}).items():
            found.append(_device(f"{folder.path}/{name}".lstrip("/"), device))
        return sorted(found, key=lambda node: os.fsencode(node.path))

    def open(self, node: Node) -> int:
        try:
            descriptor = os.open(node.real, os.O_RDONLY | os.O_NONBLOCK | _AT)
        except PermissionError:
            return self._copied(node)
        except OSError as error:
            raise WherryError(f"'/{node.path}' of {self.shown} cannot be read", why=reason(error)) from None
        if not self.is_as_seen(node, os.fstat(descriptor)):
            os.close(descriptor)
            raise changed(self.shown, node.path)
        return descriptor

    def is_as_seen(self, node: Node, status: os.stat_result) -> bool:
        """Another name of a file in the store changes its ctime, and nothing else."""
        found = _stamp(status)
        return found[:4] == node.stamp[:4] or (found[:2] in self._copies and found[2] == node.size)

    def attributes(self, node: Node, descriptor: int) -> Mapping[str, bytes]:
        """Those of users, but for what steers overlays and notes owners."""
        try:
            names = os.listxattr(node.real if descriptor < 0 else descriptor, follow_symlinks=descriptor >= 0)
        except OSError:
            return {}
        wanted = [n for n in names if n.startswith("user.") and not n.startswith(_STEERING)]
        return {name: os.getxattr(node.real if descriptor < 0 else descriptor, name) for name in wanted}

    def _copied(self, node: Node) -> int:
        descriptor = os.memfd_create("content")
        with open(os.dup(descriptor), "wb") as file:
            for chunk in self._closed(node.real):
                file.write(chunk)
        self._copies.add(_stamp(os.fstat(descriptor))[:2])
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def _node(self, entry: Entry) -> Node:
        status = os.lstat(entry.real) if entry.real else os.stat_result((entry.mode, *(0,) * 9))
        owner = self._owner(entry)
        mode = stat.S_IFMT(entry.mode) | (owner.mode if owner.mode >= 0 else stat.S_IMODE(entry.mode))
        return Node(
            entry.path.strip("/"),
            mode,
            owner.uid,
            owner.gid,
            entry.size,
            entry.mtime_ns,
            _stamp(status),
            status.st_nlink,
            entry.target,
            xattrs=owner.xattrs,
            real=entry.real,
        )


def follow(root: Root, path: str) -> Node | None:
    """What is at ``path``, all symbolic links followed, the last one too; None when there is nothing."""
    todo = [part for part in reversed(path.split("/")) if part]
    trail = [root.top()]
    links = 0
    while todo:
        name = todo.pop()
        if name == ".":
            continue
        if name == "..":
            if len(trail) > 1:
                trail.pop()
            continue
        if not trail[-1].is_dir:
            return None
        found = root.child(trail[-1], name)
        if found is None:
            return None
        if not found.is_link:
            trail.append(found)
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        if found.target.startswith("/"):
            del trail[1:]
        todo.extend(part for part in reversed(found.target.split("/")) if part)
    return trail[-1]


def _device(path: str, owner: Owner) -> Node:
    mode = _TYPES[owner.kind] | owner.mode
    none = (0, 0, 0, 0, 0)
    return Node(path, mode, owner.uid, owner.gid, 0, 0, none, device=owner.device, xattrs=owner.xattrs)


def _stamp(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def changed(shown: str, path: str) -> WherryError:
    """The error for what is not what it was."""
    return WherryError(f"'{path}' of {shown} was changed while it was read", hint="again, when nothing writes there")
