"""Static libraries, whose members may carry times (ar(5)): found without reading what lies between."""

from __future__ import annotations

from typing import BinaryIO

from wherry.build.normalise.rewriting import Times

__all__ = ["late_members"]

_MAGIC = b"!<arch>\n"
_HEAD = 60
_TIME = slice(16, 28)


def late_members(file: BinaryIO, times: Times) -> list[int]:
    """Where in the file the times stand (twelve bytes each) that the step wrote; none where it is no such library."""
    if file.read(len(_MAGIC)) != _MAGIC:
        return []
    found, at = [], len(_MAGIC)
    while len(head := file.read(_HEAD)) == _HEAD:
        size = head[48:58].strip()
        if head[58:] != b"`\n" or not size.isdigit():
            return []
        stamp = head[_TIME].strip()
        if stamp.isdigit() and int(stamp) >= times.since:
            found.append(at + _TIME.start)
        at += _HEAD + int(size) + int(size) % 2
        file.seek(at)
    return found
