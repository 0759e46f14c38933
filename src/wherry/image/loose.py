"""Archives that are no image's layer, unpacked as layers are: by the program that trusts no entry."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping

import msgspec

from wherry.base.errors import BrokenArchive, ImageError, reason
from wherry.image.decode import decoded
from wherry.image.pipeline import unpack
from wherry.image.settle import depends, settle
from wherry.image.table import TableEntry, read_entries

__all__ = ["LooseTree", "is_tar", "unpack_tar"]

_BLOCK = 512
_CHUNK = 256 * 1024


class LooseTree(msgspec.Struct, frozen=True):
    """``tree`` is the folder, ``table`` the file beside it; ``entries`` are what the archive says of each path, hard
    links as what they lead to."""

    tree: str
    table: str
    entries: Mapping[str, TableEntry]


def is_tar(descriptor: int) -> bool:
    """Whether an open file is a tar, compressed or not: told by its first header. Its position is not used."""
    try:
        block = next(decoded(_Reader(descriptor), "archive"), b"")[:_BLOCK]
    except (BrokenArchive, ImageError):
        return False
    if len(block) < _BLOCK or not any(block):
        return False
    stated = block[148:156].strip(b"\0 ")
    if not stated or any(digit not in b"01234567" for digit in stated):
        return False
    return int(stated, 8) == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def unpack_tar(descriptor: int, work: str, subject: str) -> LooseTree:
    """Unpack an open (compressed) tar below the folder ``work``; ``subject`` is what errors call it.

    As in a layer, nobody else may write what comes of it, set-id bits are off, and there are no devices: ``entries``
    say what should be. Raises :class:`BrokenArchive`, :class:`HostileArchive`, :class:`StoreFull`.
    """
    size = os.fstat(descriptor).st_size
    done = unpack(lambda: _chunks(descriptor), size, work, subject, expected=None, cancelled=threading.Event())
    if depends(done.summary):
        settle(f"{work}/tree", done.summary, (), subject)
    entries: dict[str, TableEntry] = {}
    for entry in read_entries(f"{work}/table.zst"):
        if entry.kind == "link":
            target = entries.get("/".join(part for part in entry.target.split("/") if part not in ("", ".")))
            entry = msgspec.structs.replace(target, path=entry.path) if target is not None else entry
        entries[entry.path] = entry
    return LooseTree(f"{work}/tree", f"{work}/table.zst", entries)


def _chunks(descriptor: int) -> Iterator[bytes]:
    reader = _Reader(descriptor)
    while chunk := reader.read(_CHUNK):
        yield chunk


class _Reader:
    """A file from its beginning, wherever its position is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = os.pread(self._descriptor, size, self._at)
        except OSError as error:
            raise ImageError("the archive cannot be read", why=reason(error)) from error
        self._at += len(data)
        return data
