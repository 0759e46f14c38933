"""An image's merged tar on its way to ``mksquashfs``, with what a packed file adds behind it.

The tar of a single layer is passed on as it was made, its contents straight from file to pipe; anything that a reader
of tars could take in two ways (a name twice, a path through a link) goes through the merged view instead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import msgspec

from wherry.base.errors import ImageError, reason
from wherry.image.headers import Member, header, number_of
from wherry.image.local import Image
from wherry.image.rootfs import root_tar
from wherry.image.table import TarReader, read_entries, read_frames
from wherry.store import Layer

__all__ = ["Survey", "feed", "survey"]

_END = bytes(1024)
_BLOCK = 512
_LARGE = 64 << 10
"""From so many bytes on a file's content is moved by the kernel."""


class Survey(msgspec.Struct, frozen=True):
    """What ``mksquashfs`` has to be told before the tar: the root directory's mode and owner, and the time of what was
    changed last. ``plain`` is where the entries of a tar end that can be passed on as it is, else 0."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    newest: int = 0
    plain: int = 0


def survey(image: Image) -> Survey:
    """Look through the layers' tables; of a directory, through the directory."""
    if not image.layers:
        raise ImageError(f"'{image.reference}' has no layers", why="there is nothing to pack")
    found = [_looked_through(layer) if layer.table else _of_folder(layer.tree) for layer in image.layers]
    named = next((each for each in reversed(found) if each.mode), Survey())
    plain = found[0].plain if len(found) == 1 else 0
    return Survey(named.mode, named.uid, named.gid, max(each.newest for each in found), plain)


def _of_folder(root: str) -> Survey:
    newest, pending = 0, [root]
    while pending:  # os.walk nests a call a level, and there may be more of these
        folder = pending.pop()
        newest = max(newest, int(os.stat(folder).st_mtime))
        with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
            for entry in entries:
                newest = max(newest, int(entry.stat(follow_symlinks=False).st_mtime))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return Survey(os.stat(root).st_mode & 0o7777, newest=newest)


def feed(
    image: Image, plain: int, extra: Sequence[tuple[Member, bytes]], pipe: int, told: Callable[[int], None]
) -> None:
    """Write the tar of ``image`` (``plain``: as surveyed) and then ``extra`` into ``pipe``; ``told`` gets to know how
    many bytes have gone.

    Raises :class:`ImageError` when a file cannot be read, :class:`BrokenPipeError` when the reader has gone.
    """
    writer = _Writer(pipe, told)
    if plain:
        _copy(image.layers[0], plain, writer)
    else:
        _merge(image, writer)
    for member, content in extra:
        writer.write(header(member))
        writer.write(content + bytes(-len(content) % _BLOCK))
    writer.write(_END)
    writer.flush()


def _merge(image: Image, writer: _Writer) -> None:
    held = b""
    for chunk in root_tar(image):
        writer.write(held)
        held = chunk
    writer.write(held[: -len(_END)])


def _copy(layer: Layer, end: int, writer: _Writer) -> None:
    """The layer's tar up to its end mark, from its table and its tree."""
    root = os.fsencode(layer.tree)
    position = 0
    for frame in read_frames(layer.table):
        writer.write(frame.raw[: end - position])
        position += len(frame.raw) + frame.elided
        if not frame.elided:
            continue
        path = root + b"/" + frame.path
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ImageError(f"'{os.fsdecode(path)}' cannot be read", why=reason(error)) from None
        try:
            writer.take(file, frame.elided, os.fsdecode(path))
        finally:
            os.close(file)


class _Writer:
    """Small pieces are gathered; large ones are moved from file to pipe without being looked at."""

    def __init__(self, pipe: int, told: Callable[[int], None]) -> None:
        self._pipe = pipe
        self._told = told
        self._pending = bytearray()
        self._done = 0

    def write(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= _LARGE:
            self.flush()

    def take(self, file: int, size: int, path: str) -> None:
        if size < _LARGE:
            self.write(data := os.read(file, size))
            if len(data) != size:
                raise _shorter(path)
            return
        self.flush()
        left = size
        while left:
            moved = os.splice(file, self._pipe, left)
            if not moved:
                raise _shorter(path)
            left -= moved
        self._count(size)

    def flush(self) -> None:
        view = memoryview(bytes(self._pending))
        self._pending.clear()
        self._count(len(view))
        while view:
            view = view[os.write(self._pipe, view) :]

    def _count(self, size: int) -> None:
        self._done += size
        self._told(self._done)


def _shorter(path: str) -> ImageError:
    return ImageError(
        f"'{path}' is shorter than it was", why="something wrote below the store", hint="pull the image again"
    )


# ---- which tars can be passed on as they are ------------------------------------------------------------------------


def _looked_through(layer: Layer) -> Survey:
    """``mode`` is 0 where the tar does not name the root; ``plain`` unless all readers take it for the same tree."""
    found = Survey(0)
    kinds: dict[bytes, bytes] = {}
    plain = layer.meta.rebuildable and not layer.meta.whiteouts
    newest = 0
    headers = _Headers(layer)
    try:
        for path, block in headers:
            newest = max(newest, number_of(block[136:148]))
            if not path:
                found = Survey(*(number_of(block[at:end]) for at, end in ((100, 108), (108, 116), (116, 124))))
            plain = plain and _is_new(path, kinds)
            kinds[path] = block[156:157]
    except ValueError:
        plain = False
        entries = tuple(read_entries(layer.table))
        newest = max((entry.mtime_ns // 10**9 for entry in entries), default=0)
        root = next((entry for entry in entries if not entry.path), None)
        found = Survey(root.mode, root.uid, root.gid) if root else found
    return msgspec.structs.replace(found, mode=found.mode & 0o7777, newest=newest, plain=headers.position * plain)


def _is_new(path: bytes, kinds: dict[bytes, bytes]) -> bool:
    """Whether the entry is the first with its path, and lies in what are directories so far; those are noted."""
    if path in kinds or b".." in path.split(b"/"):
        return False
    parent = path.rpartition(b"/")[0]
    while parent and parent not in kinds:
        kinds[parent] = b"5"  # named by nobody; a name that comes later is one too many
        parent = parent.rpartition(b"/")[0]
    return not parent or kinds[parent] == b"5"


class _Headers:
    """Each entry's clean path and its header block; ``position`` is where the last entry ended.

    Raises :class:`ValueError` for what is not understood here: then :mod:`tarfile` has to look.
    """

    def __init__(self, layer: Layer) -> None:
        self._reader = TarReader(read_frames(layer.table))
        self.position = 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        path: bytes | None = None
        size: int | None = None
        while True:
            block = self._reader.read(_BLOCK)
            if len(block) < _BLOCK or not block[0]:
                return
            kind = block[156:157]
            length = number_of(block[124:136])
            if kind in b"xL":
                data = self._reader.read(-(-length // _BLOCK) * _BLOCK)[:length]
                if kind == b"L":
                    path = data.rstrip(b"\0")
                else:
                    fields = _records(data)
                    path, size = fields.get(b"path", path), int(fields[b"size"]) if b"size" in fields else size
                continue
            if kind == b"K":
                self._reader.read(-(-length // _BLOCK) * _BLOCK)
                continue
            if kind not in b"0\x0012345 6":
                raise ValueError("a kind of entry that is not passed on")
            if path is None:
                path = block[:100].split(b"\0")[0]
                if block[257:263] == b"ustar\0" and block[345]:
                    path = block[345:500].split(b"\0")[0] + b"/" + path
            yield b"/".join(part for part in path.split(b"/") if part not in (b"", b".")), block
            length = size if size is not None else length
            if kind in b"0\0":
                self._reader.seek(self._reader.tell() + -(-length // _BLOCK) * _BLOCK)
            self.position = self._reader.tell()
            path = size = None


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records of an extended header: ``LENGTH KEY=VALUE``."""
    found = {}
    while data:
        length = int(data.split(b" ", 1)[0])
        key, _, value = data[:length].partition(b" ")[2].partition(b"=")
        if any(key.startswith(odd) for odd in (b"GNU.sparse", b"hdrcharset")):
            raise ValueError("a record that is not passed on")
        found[key] = value[:-1]
        data = data[length:]
    return found
