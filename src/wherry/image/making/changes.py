"""One pass through an overlay's upper directory, which gives the tar of its changes.

Entries come sorted, parents first. A directory that is as it was below is named only if something in it is; a file that
was copied up and is still what it was is not named. Times are whole seconds.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator

import msgspec

from wherry.base.errors import ImageError
from wherry.image.headers import Member, header
from wherry.image.making import attributes as attrs
from wherry.image.making.below import Below
from wherry.image.making.folders import Folder, Folders, open_file, replaced
from wherry.image.making.owners import LayerOwners, Owner, is_odd, of_attributes
from wherry.image.making.patterns import matcher
from wherry.image.making.taking import Taker
from wherry.image.making.values import Rules
from wherry.image.tree import Entry

__all__ = ["Changes", "Content", "Told", "gathered", "read_content"]

_SECOND = 10**9
_MOST_OPEN = 256
_LONGEST = 4095
_MARK = ".wh..wh..opq"
_CHUNK = 1 << 20
_BLOCK = 512

Ids = Callable[[int, int], tuple[int, int]]


class Content(msgspec.Struct, frozen=True):
    """The next ``size`` bytes of the tar are to be read from ``descriptor``. ``elide``: the layer's tree will give them
    back, from ``path``."""

    descriptor: int
    size: int
    path: str
    elide: bool


class Told(msgspec.Struct, frozen=True):
    """What is known besides the files: ``beside`` the owners of what can carry no attributes, ``ids`` the owner in the
    image of who owns a file on disk (default: root), ``ours`` paths that the start of a container makes, which count
    only when something was put there. ``noted``: what files say of their owners themselves counts; not so where the
    command could write that."""

    beside: dict[str, Owner] = {}
    ids: Ids | None = None
    ours: frozenset[str] = frozenset()
    noted: bool = True


class _Level(msgspec.Struct):
    """A directory on the way: what it is below, if anything; what it is in the tar; whether that was written; whether
    its owner can reach what is in it."""

    folder: Folder
    below: Entry | None
    member: Member | None
    attributes: dict[str, bytes]
    written: bool
    opaque: bool
    reachable: bool


class Changes:
    """With a ``taker`` the directory becomes the layer's tree in the same pass; else it stays as it is.

    After :meth:`pieces` has ended, the figures are those of the layer.
    """

    def __init__(self, upper: str, below: Below, rules: Rules, told: Told, taker: Taker | None = None) -> None:
        self._below = below
        self._told = told
        self._taker = taker
        self._epoch = rules.epoch
        self._drops = matcher(rules.drop)
        self._empties = matcher(rules.empty)
        self._links: dict[tuple[int, int], Member] = {}
        self._levels: list[_Level] = []
        self._folders = Folders(upper, stat.S_IRWXU if taker else stat.S_IRUSR | stat.S_IXUSR)
        self._odd: dict[bytes, Owner] = {}
        self.entries = 0
        self.size = 0
        self.whiteouts = 0
        self.closed = False
        self.open: list[tuple[str, int]] = []

    @property
    def owners(self) -> LayerOwners:
        return LayerOwners(self._odd)

    def pieces(self) -> Iterator[bytes | Content]:
        """The tar. Raises :class:`ImageError` for what cannot be in a layer or is changed meanwhile."""
        try:
            yield from self._root()
            while self._levels:
                names = self._folders.here.names
                if not names:
                    self._leave()
                    continue
                name = names.pop()
                path = self._folders.here.inside(name)
                if len(os.fsencode(path)) > _LONGEST:
                    raise ImageError(f"'{path[:60]}...' cannot be in a layer", why=f"longer than {_LONGEST} bytes")
                if self._drops and self._drops(path):
                    self._discard(name)
                else:
                    yield from self._entry(name, path)
            yield bytes(2 * _BLOCK)
        finally:
            self._folders.close()

    def _entry(self, name: str, path: str) -> Iterator[bytes | Content]:
        try:
            found = os.lstat(name, dir_fd=self._folders.descriptor)
        except FileNotFoundError:
            raise replaced(path) from None
        if stat.S_ISDIR(found.st_mode):
            yield from self._enter(name, path)
        elif name == _MARK:
            self._discard(name)  # seen when its directory was entered
        elif stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            yield from self._whiteout(name, path)
        elif name.startswith(".wh."):
            why = "a layer says so that something is removed"
            raise ImageError(f"'{path}' cannot be in a layer", why=why, hint="give it another name")
        elif stat.S_ISREG(found.st_mode):
            yield from self._file(name, path)
        elif stat.S_ISLNK(found.st_mode):
            yield from self._symlink(name, path, found)
        elif stat.S_ISSOCK(found.st_mode):
            self._discard(name)
        else:
            yield from self._special(name, path, found)

    # ---- directories -------------------------------------------------------------------------------------------------

    def _root(self) -> Iterator[bytes]:
        lower = self._below.root
        level = self._level(self._folders.here, lower)
        level.written = True
        self._levels.append(level)
        member = level.member
        assert member is not None
        # A start makes the upper directory with mode 0755, whatever the image's root has.
        if self._noted(level.attributes, "/") or member.mode not in (0o755, lower.mode & 0o7777):
            yield header(self._counted(member))
        else:
            level.member = None

    def _enter(self, name: str, path: str) -> Iterator[bytes]:
        above = self._levels[-1]
        lower = self._lower(above, path)
        folder = self._folders.enter(name)
        level = self._level(folder, lower if lower is not None and lower.is_dir else None)
        self._levels.append(level)
        if (lower is None and f"/{path}" in self._told.ours) or (level.below is not None and not self._differs(level)):
            return  # only if something is in it
        yield from self._write_folders()
        if level.opaque:
            yield header(self._counted(Member(f"{path}/{_MARK}", "file", 0, mtime_ns=self._fixed())))
            self.whiteouts += 1

    def _level(self, folder: Folder, lower: Entry | None) -> _Level:
        found = attrs.read(folder.descriptor, folder.path)
        hides = attrs.is_opaque(found) or _MARK in folder.names
        opaque = hides and lower is not None and bool(folder.path)
        owner = self._owner(folder.path, folder.status, found, None if hides else lower)
        xattrs = {**attrs.kept(found), **owner.xattrs}
        member = Member(
            folder.path, "dir", owner.mode, owner.uid, owner.gid, mtime_ns=self._time(folder.status), xattrs=xattrs
        )
        reachable = bool(owner.mode & stat.S_IXUSR) and (not self._levels or self._levels[-1].reachable)
        return _Level(folder, lower, member, found, written=False, opaque=opaque, reachable=reachable)

    def _differs(self, level: _Level) -> bool:
        """Whether a directory that is below, too, has become another; its time does not count."""
        if level.opaque or level.below is None or level.member is None:
            return True
        was, is_ = self._below.owner(level.below), level.member
        if (was.uid, was.gid, was.mode) != (is_.uid, is_.gid, is_.mode):
            return True
        return {**_on_disk(level.below.real), **was.xattrs} != is_.xattrs

    def _leave(self) -> None:
        level = self._levels.pop()
        folder, member = level.folder, level.member
        if self._taker and level.written:
            self._taker.folder(self._folders.descriptor, folder, member, level.attributes, opaque=level.opaque)
        self._folders.leave()
        if self._taker and not level.written:
            self._taker.remove_folder(self._folders.descriptor, folder.name)

    def _write_folders(self) -> Iterator[bytes]:
        """The directories on the way that were not named yet."""
        first = len(self._levels)
        while first and not self._levels[first - 1].written:
            first -= 1
        for level in self._levels[first:]:
            assert level.member is not None
            level.written = True
            yield header(self._counted(level.member))

    def _lower(self, level: _Level, path: str) -> Entry | None:
        """What the layers below show at ``path``."""
        return None if level.below is None or level.opaque else self._below.find(path)

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def _whiteout(self, name: str, path: str) -> Iterator[bytes]:
        level = self._levels[-1]
        if self._lower(level, path) is None and (
            level.below is None or level.opaque or not self._below.is_device(path)
        ):
            self._discard(name)
            return
        yield from self._write_folders()
        folder = level.folder.path
        yield header(self._counted(Member(f"{folder}/.wh.{name}".lstrip("/"), "file", 0, mtime_ns=self._fixed())))
        self.whiteouts += 1

    def _file(self, name: str, path: str) -> Iterator[bytes | Content]:
        directory = self._folders.descriptor
        descriptor, found = open_file(directory, name, path)
        try:
            if not stat.S_ISREG(found.st_mode):
                raise replaced(path)
            known = attrs.read(descriptor, path)
            if attrs.is_whiteout(known) and not found.st_size:
                if self._taker:
                    self._taker.as_whiteout(directory, name)
                yield from self._whiteout(name, path)
                return
            key = (found.st_dev, found.st_ino)
            if found.st_nlink > 1 and (first := self._links.get(key)) is not None:
                changes = {"path": path, "kind": "link", "size": 0, "target": first.path, "xattrs": {}}
                yield from self._named(msgspec.structs.replace(first, **changes))
                return
            asked = attrs.is_copied(known) or f"/{path}" in self._told.ours
            lower = self._lower(self._levels[-1], path)
            owner = self._owner(path, found, known, lower if lower is not None and lower.is_file else None)
            if asked and not found.st_size and self._is_bare(path, lower):
                self._discard(name)
                return
            if owner.kind:
                yield from self._named(self._device(path, owner, found))
                self._discard(name)
                return
            emptied = self._empties is not None and self._empties(path)
            member = Member(
                path,
                "file",
                owner.mode,
                owner.uid,
                owner.gid,
                0 if emptied else found.st_size,
                self._time(found),
                xattrs={**attrs.kept(known), **owner.xattrs},
            )
            if found.st_nlink == 1 and not emptied and self._is_same(descriptor, found, member, lower):
                self._discard(name)
                return
            if found.st_nlink > 1:
                self._links[key] = member
            yield from self._named(member)
            if member.size:
                elide = bool(member.mode & stat.S_IRUSR) and self._levels[-1].reachable
                yield Content(descriptor, member.size, path, elide)
                _check_unchanged(descriptor, found, path)
                yield bytes(-member.size % _BLOCK)
            if self._taker:
                self._taker.file(descriptor, found, member, known, emptied=emptied)
        finally:
            os.close(descriptor)

    def _symlink(self, name: str, path: str, found: os.stat_result) -> Iterator[bytes]:
        directory = self._folders.descriptor
        try:
            target = os.readlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):  # it is gone, or no link any more
                raise replaced(path) from None
            raise
        lower = self._lower(self._levels[-1], path)
        if self._is_bare(path, lower):
            self._discard(name)
            return
        owner = self._told.beside.get(path)
        if owner is None:
            same = lower is not None and (lower.target, lower.mtime_ns) == (target, found.st_mtime_ns)
            owner = self._owner(path, found, {}, lower if same else None)
        member = Member(path, "symlink", 0o777, owner.uid, owner.gid, 0, self._time(found), target, xattrs=owner.xattrs)
        yield from self._named(member)
        if self._taker:
            self._taker.named(directory, name, found, member)

    def _special(self, name: str, path: str, found: os.stat_result) -> Iterator[bytes]:
        owner = self._told.beside.get(path) or self._owner(path, found, {}, None)
        if owner.mode < 0:
            owner = msgspec.structs.replace(owner, mode=stat.S_IMODE(found.st_mode))
        if not stat.S_ISFIFO(found.st_mode):
            kind = "char" if stat.S_ISCHR(found.st_mode) else "block"
            device = (os.major(found.st_rdev), os.minor(found.st_rdev))
            owner = msgspec.structs.replace(owner, kind=kind, device=device)
        if owner.kind:
            yield from self._named(self._device(path, owner, found))
            self._discard(name)
            return
        member = Member(path, "fifo", owner.mode, owner.uid, owner.gid, 0, self._time(found), xattrs=owner.xattrs)
        yield from self._named(member)
        if self._taker:
            self._taker.named(self._folders.descriptor, name, found, member)

    # ---- what an entry is --------------------------------------------------------------------------------------------

    def _owner(self, path: str, found: os.stat_result, known: dict[str, bytes], lower: Entry | None) -> Owner:
        """Owner, permissions and foreign attributes: as they were noted, else as below, if it came from there, else
        those on disk."""
        noted = self._noted(known, path)
        if noted is not None and noted.mode >= 0:
            return noted
        mode = stat.S_IMODE(found.st_mode)
        uid, gid = self._told.ids(found.st_uid, found.st_gid) if self._told.ids else (0, 0)
        foreign = noted.xattrs if noted is not None else {}
        if not (uid or gid):
            was = self._came_from(found, known, lower)
            if was is not None:
                before = mode in (was.mode & 0o1755, was.mode & 0o1777)
                return Owner(was.uid, was.gid, was.mode if before else mode, xattrs={**was.xattrs, **foreign})
        return Owner(uid, gid, mode, xattrs=foreign)

    def _noted(self, known: dict[str, bytes], path: str) -> Owner | None:
        return of_attributes(known, path) if known and self._told.noted else None

    def _came_from(self, found: os.stat_result, known: dict[str, bytes], lower: Entry | None) -> Owner | None:
        if stat.S_ISREG(found.st_mode):
            if not attrs.is_copied(known):
                return None
            return self._below.owner(lower) if lower is not None else self._below.moved(found)
        return self._below.owner(lower) if lower is not None else None

    def _device(self, path: str, owner: Owner, found: os.stat_result) -> Member:
        return Member(
            path,
            owner.kind,
            owner.mode,
            owner.uid,
            owner.gid,
            0,
            self._time(found),
            "",
            owner.device,
            owner.xattrs,
        )

    def _is_bare(self, path: str, lower: Entry | None) -> bool:
        """Whether the start of a container made it."""
        return lower is None and f"/{path}" in self._told.ours

    def _is_same(self, descriptor: int, found: os.stat_result, member: Member, lower: Entry | None) -> bool:
        """Whether a file is in everything what it is below. Its content is looked at only if all else is the same."""
        if lower is None or not lower.is_file:
            return False
        if (lower.size, lower.mtime_ns) != (found.st_size, found.st_mtime_ns):
            return False
        was = self._below.owner(lower)
        if (was.uid, was.gid, was.mode) != (member.uid, member.gid, member.mode):
            return False
        try:
            if {**_on_disk(lower.real), **was.xattrs} != member.xattrs:
                return False
            with open(lower.real, "rb", buffering=0) as file:
                position = 0
                while chunk := file.read(_CHUNK):
                    if os.pread(descriptor, len(chunk), position) != chunk:
                        return False
                    position += len(chunk)
        except PermissionError:
            return False
        return True

    def _time(self, found: os.stat_result) -> int:
        """Whole seconds, as all builders write them: what file systems keep of the rest is not the same everywhere."""
        seconds = found.st_mtime_ns // _SECOND
        return (seconds if self._epoch is None else min(seconds, self._epoch)) * _SECOND

    def _fixed(self) -> int:
        """The time of what has none of its own."""
        return (self._epoch or 0) * _SECOND

    def _named(self, member: Member) -> Iterator[bytes]:
        yield from self._write_folders()
        yield header(self._counted(member))

    def _counted(self, member: Member) -> Member:
        self.entries += 1
        kind, mode = member.kind, member.mode
        if kind == "file":
            self.size += member.size
        if mode & 0o022 and kind in ("file", "dir", "fifo"):
            self.closed = True
            if kind == "dir" and mode & 0o002 and member.path and len(self.open) < _MOST_OPEN:
                self.open.append((member.path, mode & 0o1777))
        if kind == "link":
            if (owner := self._odd.get(os.fsencode(member.target))) is not None:
                self._odd[os.fsencode(member.path)] = owner
            return member
        foreign = {name: value for name, value in member.xattrs.items() if not name.startswith("user.")}
        if is_odd(kind, member.uid, member.gid, mode) or foreign:
            shown = kind if kind in ("char", "block") else ""
            self._odd[os.fsencode(member.path)] = Owner(member.uid, member.gid, mode, shown, member.device, foreign)
        return member

    def _discard(self, name: str) -> None:
        if self._taker:
            self._taker.discard(self._folders.descriptor, name)


def read_content(piece: Content) -> Iterator[bytes]:
    """Exactly its bytes; raises :class:`ImageError` when there are fewer by now."""
    left = piece.size
    while left:
        chunk = os.read(piece.descriptor, min(left, _CHUNK))
        if not chunk:
            why, hint = "it became shorter", "again, when nothing writes there"
            raise ImageError(f"'{piece.path}' was changed while it was read", why=why, hint=hint)
        left -= len(chunk)
        yield chunk


def gathered(pieces: Iterable[bytes], size: int = _CHUNK) -> Iterator[bytes]:
    """The same bytes in chunks of about ``size``: what is handed from thread to thread should be worth it."""
    pending = bytearray()
    for piece in pieces:
        if len(piece) < size:
            pending += piece
            if len(pending) < size:
                continue
            piece = b""
        if pending:
            yield bytes(pending)
            pending.clear()
        if piece:
            yield piece
    if pending:
        yield bytes(pending)


def _check_unchanged(descriptor: int, before: os.stat_result, path: str) -> None:
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ImageError(f"'{path}' was changed while it was read", hint="again, when nothing writes there")


def _on_disk(path: str) -> dict[str, bytes]:
    """The user's own attributes of what lies in a layer's tree."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        found = {name: os.getxattr(path, name, follow_symlinks=False) for name in names if name.startswith("user.")}
    except OSError:
        return {}
    return attrs.kept(found)
