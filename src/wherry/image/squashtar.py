"""A squashfs as the tar stream of a layer: the same for the same content, whatever it was compressed with."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator, Sequence

from wherry.image.headers import Member, header
from wherry.image.squashtree import Inode, Squashfs

__all__ = ["tar_of"]

_CHUNK = 256 << 10
_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
_NAMES = {
    stat.S_IFDIR: "dir",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "char",
    stat.S_IFIFO: "fifo",
}
_END = bytes(1024)


def tar_of(squashfs: Squashfs, without: Sequence[str] = ()) -> Iterator[bytes]:
    """The stream, in chunks; ``without`` are paths that are left out with all below. Sockets are, too."""
    pending = bytearray()
    for piece in _pieces(squashfs, frozenset(without)):
        pending += piece
        if len(pending) >= _CHUNK:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending) + _END


def _pieces(squashfs: Squashfs, without: frozenset[str]) -> Iterator[bytes]:
    first: dict[int, str] = {}
    for path, inode in squashfs.walk():
        if stat.S_IFMT(inode.mode) not in _TYPES or (without and _is_below(path, without)):
            continue
        if inode.links > 1 and not stat.S_ISDIR(inode.mode):
            before = first.setdefault(inode.number, path)
            if before != path:
                yield _header(path, inode, {}, link=before)
                continue
        yield _header(path, inode, squashfs.xattrs(inode))
        if stat.S_ISREG(inode.mode):
            yield from squashfs.content(inode)
            yield bytes(-inode.size % 512)


def _is_below(path: str, without: frozenset[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:count]) in without for count in range(1, len(parts) + 1))


def _header(path: str, inode: Inode, xattrs: dict[str, bytes], link: str = "") -> bytes:
    if any(not key.isprintable() for key in xattrs):  # as bytes that are no text: tarfile writes none in names
        return _of_bytes(path, inode, xattrs)
    entry = tarfile.TarInfo(path or ".")
    entry.type = tarfile.LNKTYPE if link else _TYPES[stat.S_IFMT(inode.mode)]
    entry.mode = inode.mode & 0o7777
    entry.uid, entry.gid, entry.mtime = inode.uid, inode.gid, inode.mtime
    entry.size = inode.size if entry.type == tarfile.REGTYPE else 0
    entry.linkname = link or os.fsdecode(inode.target)
    entry.devmajor, entry.devminor = inode.device
    entry.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape") for name, value in sorted(xattrs.items())
    }
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _of_bytes(path: str, inode: Inode, xattrs: dict[str, bytes]) -> bytes:
    kind, size = _NAMES[stat.S_IFMT(inode.mode)], inode.size if stat.S_ISREG(inode.mode) else 0
    mode, mtime, target = inode.mode & 0o7777, inode.mtime * 10**9, os.fsdecode(inode.target)
    return header(Member(path, kind, mode, inode.uid, inode.gid, size, mtime, target, inode.device, xattrs))
