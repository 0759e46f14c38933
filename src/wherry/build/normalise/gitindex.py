"""Git's index without the places and times of the files that it lists (gitformat-index(5), versions 2 to 4)."""

from __future__ import annotations

import hashlib
import struct

__all__ = ["without_places"]

_STAT = 24  # ctime, mtime (seconds and nanoseconds each), device, inode: then mode, uid, gid, size
_FIXED = 40 + 20 + 2
_EXTENDED = 0x4000


def without_places(content: bytes) -> bytes | None:
    """The index with these fields zero, which makes git compare contents once; None where it is not understood.

    Only repositories of SHA-1; what follows the entries (cached trees) names no place, but for what watchers of file
    systems and the cache of untracked files leave: an index with these is left alone.
    """
    if len(content) < 32 or content[:4] != b"DIRC":
        return None
    version, count = struct.unpack_from(">II", content, 4)
    body, digest = bytearray(content[:-20]), content[-20:]
    if version not in (2, 3, 4) or hashlib.sha1(body, usedforsecurity=False).digest() != digest:
        return None
    at = 12
    for _ in range(count):
        end = _end_of(body, at, version)
        if end is None:
            return None
        body[at : at + _STAT] = bytes(_STAT)
        body[at + _STAT + 4 : at + _STAT + 12] = bytes(8)  # uid and gid
        at = end
    if not _are_plain(body, at):
        return None
    return bytes(body) + hashlib.sha1(body, usedforsecurity=False).digest()


def _end_of(body: bytearray, at: int, version: int) -> int | None:
    """Where the entry that begins at ``at`` ends."""
    if at + _FIXED > len(body):
        return None
    (flags,) = struct.unpack_from(">H", body, at + _FIXED - 2)
    name = at + _FIXED + (2 if flags & _EXTENDED and version >= 3 else 0)
    if version == 4:
        while name < len(body) and body[name] & 0x80:  # how much of the name before is dropped: a varint
            name += 1
        name += 1
    end = body.find(b"\0", name)
    if end < 0:
        return None
    return end + 1 if version == 4 else at + (end - at + 8) // 8 * 8


def _are_plain(body: bytearray, at: int) -> bool:
    while at + 8 <= len(body):
        kind, size = bytes(body[at : at + 4]), int.from_bytes(body[at + 4 : at + 8])
        if kind in (b"UNTR", b"FSMN", b"link"):
            return False
        at += 8 + size
    return at == len(body)
