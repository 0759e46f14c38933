"""Reading a squashfs without mounting it: look-ups, and the whole of it as a tar, as layers come.

Every number in the file may lie: positions are checked by what is read there, a directory is entered once, and what
has more names than a file system with such tables can have is refused. Nothing is held that grows with the numbers.
"""

from __future__ import annotations

import os
import stat
import struct
from collections import OrderedDict
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from wherry.base.errors import BrokenArchive, HostileArchive
from wherry.image.pipeline import most_bytes
from wherry.image.squashfs import NOTHING, Superblock, decompressor

__all__ = ["Inode", "Squashfs"]

_BLOCK = 8192
"""Bytes of a block of metadata."""

_KEPT, _KEPT_FRAGMENTS = 2048, 16
_MOST_LINKS = 40
_MOST_NAMES = 10_000_000
_MOST_LOOKED_AT = 100_000
"""Names in the directories that one look-up passes."""

_LONGEST_PATH = 64 << 10
_SMALLEST_INODE, _SMALLEST_BLOCK = 20, 8
"""Bytes of an inode, and of a block of metadata with its length, compressed as well as can be."""

_AT_ONCE = 4096
"""Sizes of blocks that are read together."""

_STORED = 1 << 24
"""The bit in a block's size that says: not compressed."""

_KINDS = (
    stat.S_IFDIR,
    stat.S_IFREG,
    stat.S_IFLNK,
    stat.S_IFBLK,
    stat.S_IFCHR,
    stat.S_IFIFO,
    stat.S_IFSOCK,
)
_PREFIXES = {0: "user.", 1: "trusted.", 2: "security."}
_NO_XATTR = 0xFFFFFFFF
_NO_FRAGMENT = 0xFFFFFFFF


class Inode(msgspec.Struct, frozen=True):
    """A file of any kind: ``mode`` as of stat(2), ``size`` in bytes, ``device`` as (major, minor), ``target`` of a
    symbolic link; the rest says where its content is: ``listed`` is where the sizes of its ``blocks`` begin, as a block
    of metadata and an offset in it."""

    number: int
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    device: tuple[int, int] = (0, 0)
    target: bytes = b""
    start: int = 0
    offset: int = 0
    fragment: int = _NO_FRAGMENT
    blocks: int = 0
    listed: tuple[int, int] = (0, 0)
    xattr: int = _NO_XATTR
    links: int = 1


class Squashfs:
    """The file system from ``offset`` on in the file ``descriptor``, which stays the caller's. For one thread.

    All methods raise :class:`BrokenArchive` for what is damaged.
    """

    def __init__(self, descriptor: int, offset: int, superblock: Superblock, subject: str) -> None:
        self.superblock = superblock
        self._descriptor = descriptor
        self._offset = offset
        self._subject = subject
        self._decompress = decompressor(superblock.compression)
        self._known: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()
        self._ids = self._read_ids()
        self._most_content = most_bytes(superblock.size)

    # ---- looking up -------------------------------------------------------------------------------------------------

    def root(self) -> Inode:
        found = self._inode(self.superblock.root)
        if not stat.S_ISDIR(found.mode):
            raise self.damaged("its root is no directory")
        return found

    def find(self, path: str) -> Inode | None:
        """What is at ``path``, symbolic links followed within the file system; None when there is nothing.

        Raises :class:`HostileArchive` where that has to be looked for among very many names.
        """
        todo = [part for part in reversed(os.fsencode(path).split(b"/")) if part]
        trail = [self.root()]
        links, left = 0, _MOST_LOOKED_AT
        while todo:
            part = todo.pop()
            if part == b".":
                continue
            if part == b"..":
                del trail[1 if len(trail) == 1 else -1 :]
                continue
            found, left = self._child(trail[-1], part, left)
            if found is None:
                return None
            if stat.S_ISLNK(found.mode):
                links += 1
                if links > _MOST_LINKS:
                    return None
                if found.target.startswith(b"/"):
                    del trail[1:]
                todo.extend(step for step in reversed(found.target.split(b"/")) if step)
                continue
            trail.append(found)
        return trail[-1]

    def _child(self, directory: Inode, wanted: bytes, left: int) -> tuple[Inode | None, int]:
        """And how many of ``left`` names are left to look at. They are sorted: what comes behind is not there."""
        if not stat.S_ISDIR(directory.mode):
            return None, left
        for name, reference in self._listing(directory):
            left -= 1
            if left < 0:
                why = f"this would have to be looked for among more than {_MOST_LOOKED_AT} names"
                raise self._hostile(os.fsdecode(wanted), why)
            if name == wanted:
                return self._inode(reference), left
            if name > wanted:
                break
        return None, left

    def content(self, file: Inode) -> Iterator[bytes]:
        """A regular file's bytes, a block at a time."""
        size, left, at = self.superblock.block_size, file.size, file.start
        for block in self._blocks(file):
            wanted = min(size, left)
            data, at = self._data(at, block, wanted)
            yield data
            left -= wanted
        if left:
            tail = self._tail(file)
            if len(tail) < file.offset + left:
                raise self.damaged("the end of a file lies outside of its fragment")
            yield tail[file.offset : file.offset + left]

    def _blocks(self, file: Inode) -> Iterator[int]:
        """Their sizes, read as they are wanted: a file may be said to have millions."""
        left = file.blocks
        cursor = _Cursor(self, *file.listed) if left else None
        while left and cursor is not None:
            count = min(left, _AT_ONCE)
            yield from struct.unpack(f"<{count}I", cursor.take(4 * count))
            left -= count

    def xattrs(self, inode: Inode) -> dict[str, bytes]:
        """Extended attributes, with their whole names."""
        if inode.xattr == _NO_XATTR or self.superblock.xattr_table == NOTHING:
            return {}
        start, count = struct.unpack("<QI", self._bytes(self.superblock.xattr_table, 12))
        if inode.xattr >= count:
            raise self.damaged("a file has extended attributes that are not there")
        (block,) = struct.unpack("<Q", self._bytes(self.superblock.xattr_table + 16 + inode.xattr // 512 * 8, 8))
        entry = _Cursor(self, block, inode.xattr % 512 * 16).take(16)
        reference, pairs, _ = struct.unpack("<QII", entry)
        cursor = _Cursor(self, start + (reference >> 16), reference & 0xFFFF)
        found = {}
        for _ in range(min(pairs, 1024)):
            kind, length = struct.unpack("<HH", cursor.take(4))
            name = _PREFIXES.get(kind & 0xFF, "") + os.fsdecode(cursor.take(length))
            (length,) = struct.unpack("<I", cursor.take(4))
            if length > 1 << 16:
                raise self.damaged("an extended attribute is longer than the kernel takes")
            value = cursor.take(length)
            if kind & 0x100:
                if length != 8:
                    raise self.damaged("an extended attribute is said to be elsewhere, and not where")
                (elsewhere,) = struct.unpack("<Q", value)
                other = _Cursor(self, start + (elsewhere >> 16), elsewhere & 0xFFFF)
                (length,) = struct.unpack("<I", other.take(4))
                if length > 1 << 16:
                    raise self.damaged("an extended attribute is longer than the kernel takes")
                value = other.take(length)
            if kind & 0xFF in _PREFIXES:
                found[name] = value
        return found

    # ---- the whole --------------------------------------------------------------------------------------------------

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """Everything with its path below the root (empty: the root itself), directories before what is in them."""
        root = self.root()
        yield "", root
        entered = {root.number}
        left = most = self._most_names()
        pending = [("", self._listing(root))]
        while pending:
            prefix, listing = pending[-1]
            name, reference = next(listing, (b"", 0))
            if not name:
                pending.pop()
                continue
            path = prefix + os.fsdecode(name)
            left -= 1
            if left < 0:
                raise self._hostile(path, f"it has more than {most} names, many more than its tables have room for")
            if len(path) > _LONGEST_PATH:
                raise self._hostile(path[:80], f"a path has more than {_LONGEST_PATH} characters")
            inode = self._inode(reference)
            yield path, inode
            if not stat.S_ISDIR(inode.mode):
                continue
            if inode.number in entered:
                raise self._hostile(path, "a directory lies within itself, or in two places")
            entered.add(inode.number)
            pending.append((f"{path}/", self._listing(inode)))

    def _most_names(self) -> int:
        """As hard links, an inode has several; how many inodes there are is not believed beyond what the table can
        hold."""
        found = self.superblock
        blocks = (found.directory_table - found.inode_table) // _SMALLEST_BLOCK + 1
        return min(16 * min(found.inodes, blocks * _BLOCK // _SMALLEST_INODE) + 4096, _MOST_NAMES)

    # ---- what is stored ---------------------------------------------------------------------------------------------

    def _listing(self, directory: Inode) -> Iterator[tuple[bytes, int]]:
        """Names, and where their inodes are."""
        left = directory.size - 3
        cursor = _Cursor(self, self.superblock.directory_table + directory.start, directory.offset)
        while left > 0:
            count, block, _ = struct.unpack("<IIi", cursor.take(12))
            left -= 12
            if count >= 256:
                raise self.damaged("a directory's header tells of more than 256 names")
            for _ in range(count + 1):
                offset, _, _, length = struct.unpack("<HhHH", cursor.take(8))
                if length >= 256:
                    raise self.damaged("a name has more than 256 bytes")
                name = cursor.take(length + 1)
                left -= 8 + length + 1
                if name in (b".", b"..") or b"/" in name or b"\0" in name:
                    raise self._hostile("", f"it has the name '{name.decode(errors='replace')}'")
                yield name, block << 16 | offset

    def _inode(self, reference: int) -> Inode:
        cursor = _Cursor(self, self.superblock.inode_table + (reference >> 16), reference & 0xFFFF)
        kind, mode, uid, gid, mtime, number = struct.unpack("<HHHHII", cursor.take(16))
        if not 1 <= kind <= 14 or max(uid, gid) >= len(self._ids):
            raise self.damaged("an inode is of no known kind, or its owner is not there")
        own = _KINDS[(kind - 1) % 7] | mode & 0o7777
        return self._completed(Inode(number, own, self._ids[uid], self._ids[gid], mtime), kind, cursor)

    def _completed(self, inode: Inode, kind: int, cursor: _Cursor) -> Inode:
        """The inode with what its kind has behind the first 16 bytes."""
        if kind == 1:
            start, links, size, offset, _ = struct.unpack("<IIHHI", cursor.take(16))
            return replace(inode, start=start, size=size, offset=offset, links=links)
        if kind == 8:
            links, size, start, _, _, offset, xattr = struct.unpack("<IIIIHHI", cursor.take(24))
            return replace(inode, start=start, size=size, offset=offset, links=links, xattr=xattr)
        if kind == 2:
            start, fragment, offset, size = struct.unpack("<IIII", cursor.take(16))
            return self._file(inode, cursor, start, fragment, offset, size, 1, _NO_XATTR)
        if kind == 9:
            start, size, _, links, fragment, offset, xattr = struct.unpack("<QQQIIII", cursor.take(40))
            return self._file(inode, cursor, start, fragment, offset, size, links, xattr)
        if kind in (3, 10):
            links, size = struct.unpack("<II", cursor.take(8))
            if size > 65535:
                raise self.damaged("a symbolic link is longer than one can be")
            target = cursor.take(size)
            (xattr,) = struct.unpack("<I", cursor.take(4)) if kind == 10 else (_NO_XATTR,)
            return replace(inode, target=target, links=links, xattr=xattr)
        if kind in (4, 5, 11, 12):
            links, device = struct.unpack("<II", cursor.take(8))
            (xattr,) = struct.unpack("<I", cursor.take(4)) if kind > 7 else (_NO_XATTR,)
            numbers = (device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00)
            return replace(inode, device=numbers, links=links, xattr=xattr)
        (links,) = struct.unpack("<I", cursor.take(4))
        (xattr,) = struct.unpack("<I", cursor.take(4)) if kind > 7 else (_NO_XATTR,)
        return replace(inode, links=links, xattr=xattr)

    def _file(
        self, inode: Inode, cursor: _Cursor, start: int, fragment: int, offset: int, size: int, links: int, xattr: int
    ) -> Inode:
        if size > self._most_content:
            raise self._hostile("", f"a file is said to have {size} bytes, in an image of {self.superblock.size}")
        whole, rest = divmod(size, self.superblock.block_size)
        count = whole + (rest > 0 and fragment == _NO_FRAGMENT)
        return replace(
            inode,
            start=start,
            fragment=fragment,
            offset=offset,
            size=size,
            links=links,
            xattr=xattr,
            blocks=count,
            listed=cursor.place,
        )

    def _tail(self, file: Inode) -> bytes:
        """The fragment block in which the end of a file is."""
        known = self._fragments.get(file.fragment)
        if known is not None:
            return known
        if file.fragment >= self.superblock.fragments:
            raise self.damaged("the end of a file lies in a fragment that is not there")
        at = self.superblock.fragment_table + file.fragment // 512 * 8
        (block,) = struct.unpack("<Q", self._bytes(at, 8))
        start, size, _ = struct.unpack("<QII", _Cursor(self, block, file.fragment % 512 * 16).take(16))
        data, _ = self._data(start, size, 0)
        if len(self._fragments) >= _KEPT_FRAGMENTS:
            self._fragments.popitem(last=False)
        self._fragments[file.fragment] = data
        return data

    def _data(self, at: int, size: int, wanted: int) -> tuple[bytes, int]:
        """A block of contents, and where the next one begins; it must have ``wanted`` bytes, unless that is 0."""
        stored = size & (_STORED - 1)
        if not stored:
            return bytes(wanted), at  # a hole
        if stored > self.superblock.block_size:
            raise self.damaged("a block is larger than blocks are")
        data = self._bytes(at, stored)
        if not size & _STORED:
            data = self._unpacked(data, self.superblock.block_size)
        if wanted and len(data) != wanted:
            raise self.damaged(f"a block has {len(data)} bytes where it should have {wanted}")
        return data, at + stored

    def _read_ids(self) -> tuple[int, ...]:
        ids: list[int] = []
        for index in range(-(-self.superblock.ids // 2048)):
            (block,) = struct.unpack("<Q", self._bytes(self.superblock.id_table + index * 8, 8))
            count = min(2048, self.superblock.ids - len(ids))
            ids += struct.unpack(f"<{count}I", _Cursor(self, block, 0).take(4 * count))
        return tuple(ids)

    def metadata(self, at: int) -> tuple[bytes, int]:
        """The block of metadata at a position, and where the next one begins."""
        found = self._known.get(at)
        if found is not None:
            self._known.move_to_end(at)
            return found
        (header,) = struct.unpack("<H", self._bytes(at, 2))
        size = header & 0x7FFF
        if not 0 < size <= _BLOCK:
            raise self.damaged(f"a block of metadata has {size} bytes")
        data = self._bytes(at + 2, size)
        if not header & 0x8000:
            data = self._unpacked(data, _BLOCK)
        if len(self._known) >= _KEPT:
            self._known.popitem(last=False)
        self._known[at] = (data, at + 2 + size)
        return self._known[at]

    def _unpacked(self, data: bytes, most: int) -> bytes:
        try:
            return self._decompress(data, most)
        except ValueError as error:
            raise self.damaged(f"its {self.superblock.compression} data cannot be read ({error})") from None

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > self.superblock.size:
            raise self.damaged("something is said to lie behind its end")
        data = os.pread(self._descriptor, size, self._offset + at)
        if len(data) != size:
            raise self.damaged("it ends too early")
        return data

    def damaged(self, why: str) -> BrokenArchive:
        return BrokenArchive(f"the squashfs in '{self._subject}' is damaged", why=why, hint="fetch or copy it again")

    def _hostile(self, path: str, why: str) -> HostileArchive:
        from wherry.image.apply import printable

        at = f"at '{printable(path)}': " if path else ""
        hint = "such a file is made on purpose or by a broken tool: do not use it before you know which"
        return HostileArchive(f"'{self._subject}' is refused", why=f"{at}{why}", hint=hint)


class _Cursor:
    """Reading on in blocks of metadata, from an offset in the first one."""

    def __init__(self, squashfs: Squashfs, block: int, offset: int) -> None:
        self._squashfs = squashfs
        self._block = block
        self._data, self._next = squashfs.metadata(block)
        self._at = offset
        if offset > len(self._data):
            raise squashfs.damaged("something is said to lie behind the block that it is in")

    @property
    def place(self) -> tuple[int, int]:
        """Where the next byte is: a block, and the offset in it."""
        return self._block, self._at

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._data):
            found = self._data[self._at : end]
            self._at = end
            return found
        pieces = [self._data[self._at :]]
        size -= len(pieces[0])
        while size:
            self._block = self._next
            self._data, self._next = self._squashfs.metadata(self._next)
            pieces.append(self._data[:size])
            self._at = len(pieces[-1])
            size -= self._at
        return b"".join(pieces)
