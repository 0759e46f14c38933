"""A layer's table, looked through for what is out of the ordinary: some fifty thousand entries in a blink.

It reads what most archives have. Whatever else stands there is a :class:`ValueError`: then :func:`read_entries`, which
takes several times as long, has to look.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from wherry.base.errors import BrokenArchive
from wherry.image.headers import number_of

__all__ = ["Scanned", "scan"]

_BLOCK = 512
_KINDS = {0: "file", 48: "file", 49: "link", 50: "symlink", 51: "char", 52: "block", 53: "dir", 54: "fifo"}
_ODD_MODE = 0o6022
_MOST = 256 << 20
"""Bytes; larger ones hold contents, and need not be in memory."""


class Scanned(msgspec.Struct, frozen=True):
    """An entry as :class:`wherry.image.table.TableEntry` has it; names are bytes."""

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    target: bytes
    device: tuple[int, int]
    xattrs: dict[str, bytes]


def scan(path: str) -> Iterator[bytes | Scanned]:
    """Of each entry in the order of the archive: its clean path if it is a file or link of root's like any other (for a
    directory with a slash at its end), else all that is known of it.

    Raises :class:`ValueError` for what is not understood here, :class:`BrokenArchive` for a damaged table.
    """
    plain: dict[bytes, bool] = {}
    name, target, fields = b"", b"", {}
    for block, data in _blocks(path):
        kind = block[156]
        if kind in b"xLK":
            if kind == 120:
                fields = _records(data)
            elif kind == 76:
                name = data.rstrip(b"\0")
            else:
                target = data.rstrip(b"\0")
            continue
        if kind == 103:
            continue
        known = _KINDS.get(kind)
        if known is None:
            raise ValueError("a kind of entry that is not looked at here")
        name = fields.get(b"path") or name or _name(block)
        clean = name if name[:1] not in b"./" and b"//" not in name and b"/." not in name else _clean(name)
        owners = block[100:124]
        ordinary = plain.get(owners)
        if ordinary is None:
            ordinary = plain[owners] = _is_ordinary(owners)
        if ordinary and known in ("file", "symlink", "fifo") and not fields:
            yield clean
        elif ordinary and known == "dir" and not fields:
            yield clean.rstrip(b"/") + b"/"
        else:
            link = fields.get(b"linkpath") or target or block[157:257].split(b"\0")[0]
            yield _whole(clean.rstrip(b"/"), known, block, fields, link)
        name, target, fields = b"", b"", {}


def _is_ordinary(owners: bytes) -> bool:
    mode, uid, gid = (number_of(owners[at : at + 8]) for at in (0, 8, 16))
    return not (uid or gid or mode & _ODD_MODE)


def _whole(path: bytes, kind: str, block: bytes, fields: dict[bytes, bytes], target: bytes) -> Scanned:
    prefix = b"SCHILY.xattr."
    xattrs = {
        key[len(prefix) :].decode("utf-8", "surrogateescape"): value
        for key, value in fields.items()
        if key.startswith(prefix)
    }
    device = (number_of(block[329:337]), number_of(block[337:345])) if kind in ("char", "block") else (0, 0)
    return Scanned(
        path,
        kind,
        number_of(block[100:108]) & 0o7777,
        int(fields.get(b"uid") or number_of(block[108:116])),
        int(fields.get(b"gid") or number_of(block[116:124])),
        _clean(target).rstrip(b"/"),
        device,
        xattrs,
    )


def _blocks(path: str) -> Iterator[tuple[bytes, bytes]]:
    """Each header, and what follows an extended one; contents are passed over, wherever they are."""
    skip, carried, wanted, block = 0, b"", 0, b""
    for raw, elided in _frames(path):
        data = carried + raw if carried else raw
        position, end = 0, len(data)
        while position < end:
            if skip:
                step = min(skip, end - position)
                position, skip = position + step, skip - step
                continue
            if end - position < max(wanted, _BLOCK):
                break
            if wanted:
                yield block, data[position : position + wanted][: number_of(block[124:136])]
                position, wanted = position + wanted, 0
                continue
            block = data[position : position + _BLOCK]
            if not block[0] and not block[156] and not block.strip(b"\0"):
                return
            position += _BLOCK
            size = number_of(block[124:136])
            if block[156] in b"xLKg":
                wanted = -(-size // _BLOCK) * _BLOCK
                if not wanted:
                    yield block, b""
            else:
                yield block, b""
                skip = 0 if block[156] in b"123456" else -(-size // _BLOCK) * _BLOCK
        carried = data[position:]
        if elided:
            if carried or wanted:
                raise ValueError("content where a header is expected")
            if not skip:  # its size stands in an extended header
                raise ValueError("a size that is not looked at here")
            skip -= elided
            if skip < 0:
                raise ValueError("more content than the header says")


def _frames(path: str) -> Iterator[tuple[bytes, int]]:
    import zstandard

    try:
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            table = stream.read(_MOST + 1)
    except zstandard.ZstdError as error:
        raise _damaged(path) from error
    if len(table) > _MOST:
        raise ValueError("a table that is read piece by piece")
    position = 0
    try:
        while True:
            (length,) = struct.unpack_from("<I", table, position)
            raw = table[position + 4 : position + 4 + length]
            position += 4 + length
            (elided,) = struct.unpack_from("<Q", table, position)
            position += 8
            if not elided and not length:
                return
            if elided:
                (size,) = struct.unpack_from("<H", table, position)
                position += 2 + size
            yield raw, elided
    except struct.error as error:
        raise _damaged(path) from error


def _damaged(path: str) -> BrokenArchive:
    return BrokenArchive(f"the layer's table '{path}' is damaged", hint="'wherry rmi' the image and pull it again")


def _name(block: bytes) -> bytes:
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        return block[345:500].split(b"\0")[0] + b"/" + name
    return name


def _clean(name: bytes) -> bytes:
    return b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records of an extended header: ``LENGTH KEY=VALUE``."""
    found = {}
    while data:
        length = int(data.split(b" ", 1)[0])
        key, _, value = data[:length].partition(b" ")[2].partition(b"=")
        if length <= 0 or key.startswith((b"GNU.sparse", b"hdrcharset", b"size")):
            raise ValueError("a record that is not looked at here")
        if key not in (b"mtime", b"atime", b"ctime"):
            found[key] = value[:-1]
        data = data[length:]
    return found
