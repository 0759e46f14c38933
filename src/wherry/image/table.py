"""A layer's table: its tar stream without the contents that the tree can give back (docs/design/layer-table.md).

Frames: u32 length, raw bytes, u64 elided length and, if that is not 0, u16 length and path of the file in the tree
whose content stands there in the tar. Little endian; an empty frame with nothing elided ends the table.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from io import FileIO
from typing import TYPE_CHECKING, Protocol

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import BrokenArchive, DigestMismatch, reason
from wherry.image.tree import Whiteouts
from wherry.store import Layer

if TYPE_CHECKING:
    from tarfile import TarInfo

__all__ = [
    "Frame",
    "TableEntry",
    "TarReader",
    "read_entries",
    "read_frames",
    "read_modes",
    "read_whiteouts",
    "rebuild",
    "tar_size",
]

_CHUNK = 1 << 20
_LARGEST_FRAME = 64 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Frame(msgspec.Struct, frozen=True):
    """``raw`` bytes of the tar, then ``elided`` bytes that are the content of ``path`` (below the tree)."""

    raw: bytes
    elided: int
    path: bytes


class TableEntry(msgspec.Struct, frozen=True):
    """What the archive says of one entry. ``path`` is relative and clean, empty for the root; ``kind`` as in stat(2)
    (``file link symlink char block dir fifo``); ``xattrs`` are all that came, also those that are not set on disk."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}


_KINDS = {b"1": "link", b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}


def read_frames(path: str) -> Iterator[Frame]:
    """The frames of a table file. Raises :class:`BrokenArchive` when it is cut or damaged."""
    import zstandard

    try:
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while True:
                (length,) = struct.unpack("<I", _exactly(stream, 4))
                if length > _LARGEST_FRAME:
                    raise _damaged(path)
                raw = _exactly(stream, length)
                (elided,) = struct.unpack("<Q", _exactly(stream, 8))
                if not elided:
                    if not length:
                        return
                    yield Frame(raw, 0, b"")
                    continue
                (size,) = struct.unpack("<H", _exactly(stream, 2))
                yield Frame(raw, elided, _exactly(stream, size))
    except (zstandard.ZstdError, EOFError) as error:
        raise _damaged(path) from error


def tar_size(layer: Layer) -> int:
    """The bytes of the tar that :func:`rebuild` gives."""
    return layer.meta.tar_size or sum(len(frame.raw) + frame.elided for frame in read_frames(layer.table))


def rebuild(layer: Layer) -> Iterator[bytes]:
    """The exact tar stream of the layer. Raises :class:`DigestMismatch` at its end when tree or table were changed."""
    hasher = layer.meta.diff_id.hasher()
    for chunk in _stream(layer):
        hasher.update(chunk)
        yield chunk
    _check(layer, hasher)


def _stream(layer: Layer) -> Iterator[bytes]:
    pending = bytearray()
    root = os.fsencode(layer.tree)
    for frame in read_frames(layer.table):
        pending += frame.raw
        if not frame.elided:
            continue
        with _open_content(layer, root + b"/" + frame.path, frame) as file:
            left = frame.elided
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise _changed(layer, f"'{os.fsdecode(frame.path)}' is too short")
                left -= len(chunk)
                if len(pending) + len(chunk) < _CHUNK:
                    pending += chunk
                    continue
                if pending:
                    yield bytes(pending)
                    pending.clear()
                yield chunk
    if pending:
        yield bytes(pending)


def _open_content(layer: Layer, path: bytes, frame: Frame) -> FileIO:
    try:
        return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise _changed(layer, f"'{os.fsdecode(frame.path)}': {reason(error)}") from error


def _check(layer: Layer, hasher: Hasher) -> None:
    found: Digest = hasher.digest()
    if found != layer.meta.diff_id:
        raise _changed(layer, f"its tar has the digest {found}")


def _changed(layer: Layer, why: str) -> DigestMismatch:
    return DigestMismatch(
        f"layer '{layer.meta.diff_id.short}' was changed after it was unpacked to '{layer.tree}'",
        why=why,
        hint="'wherry rmi' the image and pull it again; nothing may write below the store",
    )


def read_entries(path: str) -> Iterator[TableEntry]:
    """All entries of a table in the order of the archive, whiteouts included."""
    import tarfile

    try:
        # Not extracted, only listed: names and numbers are looked at, nothing is made of them here.
        with tarfile.open(fileobj=TarReader(read_frames(path)), mode="r:") as archive:  # type: ignore[call-overload]
            for member in archive:
                archive.members = []  # else it keeps them all
                yield _entry(member)
    except tarfile.TarError as error:
        raise _damaged(path) from error


def _entry(member: TarInfo) -> TableEntry:
    xattrs = {
        key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
        for key, value in member.pax_headers.items()
        if key.startswith("SCHILY.xattr.")
    }
    mtime = member.pax_headers.get("mtime")
    return TableEntry(
        path="/".join(part for part in member.name.split("/") if part not in ("", ".")),
        kind=_KINDS.get(member.type, "file"),
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if member.isreg() else 0,
        mtime_ns=_nanoseconds(mtime) if mtime else int(member.mtime) * 10**9,
        target=member.linkname,
        device=(member.devmajor, member.devminor),
        xattrs=xattrs,
    )


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    nanoseconds = int((fraction + "000000000")[:9])
    whole = int(seconds) * 10**9
    return whole - nanoseconds if text.startswith("-") else whole + nanoseconds


def read_whiteouts(path: str) -> Whiteouts:
    """What a layer hides of those below."""
    removed, opaque = set(), set()
    for entry in read_entries(path):
        folder, _, name = entry.path.rpartition("/")
        if name == ".wh..wh..opq":
            opaque.add(folder)
        elif name.startswith(".wh.") and not name.startswith(".wh..wh."):
            removed.add(f"{folder}/{name[4:]}".lstrip("/"))
    return Whiteouts(frozenset(removed), frozenset(opaque))


def read_modes(path: str) -> dict[str, int]:
    """What the archive says of the permissions of directories, and of files that others may write (no set-id bits)."""
    modes: dict[str, int] = {}
    for entry in read_entries(path):
        if entry.kind == "dir" or (entry.kind in ("file", "fifo", "link") and entry.mode & 0o022):
            modes[entry.path] = entry.mode & 0o1777
        else:
            modes.pop(entry.path, None)
        if entry.kind == "link" and (target := "/".join(filter(None, entry.target.split("/")))) in modes:
            modes[entry.path] = modes[target]
    return modes


class TarReader:
    """The tar stream that a table stands for, to be read forward; zeros in the place of elided contents."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._position = 0
        self._raw = b""
        self._start = 0
        self._elided = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._start:
            raise OSError("a table is only read forward")
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        pieces = []
        while size:
            end = self._start + len(self._raw)
            if self._position < end:
                offset = self._position - self._start
                piece = self._raw[offset : offset + size if size > 0 else None]
            elif self._position < end + self._elided:
                # The header that follows begins with the content's padding, so only a little of this is ever read.
                gap = end + self._elided - self._position
                piece = bytes(min(gap, size, _CHUNK) if size > 0 else gap)
            else:
                frame = next(self._frames, None)
                if frame is None:
                    break
                self._start = end + self._elided
                self._raw, self._elided = frame.raw, frame.elided
                continue
            pieces.append(piece)
            self._position += len(piece)
            size -= len(piece)
        return b"".join(pieces)


def _exactly(stream: _Readable, size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _damaged(path: str) -> BrokenArchive:
    return BrokenArchive(f"the layer's table '{path}' is damaged", hint="'wherry rmi' the image and pull it again")
