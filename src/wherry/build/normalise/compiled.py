"""Compiled Python beside its source: the time of the source in it follows the source's when that is clamped.

A ``.pyc`` begins with a magic number, flags, and (flags 0) the source's time and size, four bytes each (PEP 552). Where
the source lies in a layer below, or the flags say that contents are compared, there is nothing to do.
"""

from __future__ import annotations

import os
import posixpath
import struct

__all__ = ["HEAD", "clamped_head", "source_of"]

HEAD = 16


def source_of(path: str) -> str:
    """The source's path: beside ``__pycache__`` without the interpreter's tag, else beside the file itself."""
    folder, name = posixpath.split(path)
    parent, last = posixpath.split(folder)
    if last != "__pycache__":
        return path[:-1]
    return posixpath.join(parent, f"{name.split('.', 1)[0]}.py")


def clamped_head(head: bytes, source: os.stat_result | None, epoch: int) -> bytes | None:
    """The first bytes as they must be; None where they may stay."""
    if len(head) < HEAD or head[2:4] != b"\r\n" or head[4:8] != bytes(4) or source is None:
        return None
    seconds = int(source.st_mtime_ns // 1_000_000_000)
    if seconds <= epoch or struct.unpack_from("<I", head, 8)[0] != seconds & 0xFFFF_FFFF:
        return None
    return head[:8] + struct.pack("<I", epoch & 0xFFFF_FFFF) + head[12:HEAD]
