"""The digest of what was selected: names, kinds, permissions, owners, link targets and contents; no times.

Contents' digests are remembered by (device, inode, size, times) in a file for each root, as a hint: what was changed
in the last two seconds before it was read is not, since it could change again without a trace.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import threading
import time
from collections.abc import Iterable

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import WherryError
from wherry.build.context.selecting import Selection
from wherry.build.context.sources import Folder, Node, Root, changed

__all__ = ["digest"]

_ROW = struct.Struct("<QQqqq32s")
_LAYERS_ROW = struct.Struct("<32s32s")
_HEAD = b"wherry contents 1\n"
_RACY = 2 * 10**9
_CHUNK = 1 << 20
_FEW = 16
"""So many files, and no large one among them, are read by one thread."""
_LARGE = 4 << 20
_MOST_ROWS = 1_000_000
_MOST_LAYERS = 10_000
_MOST_FILES = 64

_Stamp = tuple[int, int, int, int, int]


def digest(selection: Selection, folder: str = "") -> Digest:
    """What a COPY copies, as a value; the same on every machine for the same files.

    In ``folder`` (``contents/`` in it) the digests of contents are remembered, and of what is in layers the whole;
    empty: nowhere. Raises
    :class:`WherryError` for a file that cannot be read or was changed since it was selected.
    """
    known = _Known(f"{folder}/contents/layers" if folder else "", selection.identity)
    if known.value is not None:
        return Digest("sha256", known.value.hex())
    contents = _contents(selection, f"{folder}/contents" if folder else "")
    pieces = [b"unpack\0" if selection.unpack else b""]
    for pick in selection.picks:
        pieces.append(b"pick\0" + _bytes(pick.name) + (b"parents\0" if pick.parents else b"\0"))
        for path, node in pick.entries:
            pieces += (_said(path, node), contents.get(node.stamp, b""))
    found = Digest.of(b"".join(pieces))
    known.add(bytes.fromhex(found.hex))
    return found


def _said(path: str, node: Node) -> bytes:
    fields = f"{stat.S_IFMT(node.mode):o} {stat.S_IMODE(node.mode):o} {node.uid} {node.gid} {node.device}".encode()
    attributes = b"".join(_bytes(name) + b"=" + value.hex().encode() for name, value in sorted(node.xattrs.items()))
    size = b"%d" % node.size if node.is_file else b""
    return b"\0".join((_bytes(path), fields, attributes, _bytes(node.target), size, b""))


def _bytes(text: str) -> bytes:
    return os.fsencode(text)


def _contents(selection: Selection, folder: str) -> dict[_Stamp, bytes]:
    """The sha256 of each file, by its stamp."""
    nodes = {node.stamp: node for pick in selection.picks for _, node in pick.entries if node.is_file}
    if not nodes:
        return {}
    cache = _Cache(folder, selection.root)
    found = {stamp: known for stamp in nodes if (known := cache.rows.get(stamp)) is not None}
    missing = [node for stamp, node in nodes.items() if stamp not in found]
    if missing:
        began = time.time_ns()
        read = _read(selection.root, missing)
        found.update(read)
        cache.add({stamp: value for stamp, value in read.items() if max(stamp[3:]) < began - _RACY}, found)
    return found


def _read(root: Root, nodes: list[Node]) -> dict[_Stamp, bytes]:
    found: dict[_Stamp, bytes] = {}
    if len(nodes) <= _FEW and all(node.size < _LARGE for node in nodes):
        for node in nodes:
            found[node.stamp] = _of_file(root, node)
        return found
    queue, lock = iter(nodes), threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not errors:
                with lock:
                    node = next(queue, None)
                if node is None:
                    return
                found[node.stamp] = _of_file(root, node)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, name=f"digest-{number}", daemon=True) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found


def _of_file(root: Root, node: Node) -> bytes:
    descriptor = root.open(node)
    try:
        hasher, left = Hasher(), node.size
        while left and (chunk := os.read(descriptor, min(left, _CHUNK))):
            hasher.update(chunk)
            left -= len(chunk)
        if left or not root.is_as_seen(node, os.fstat(descriptor)):
            raise changed(root.shown, node.path)
    except OSError as error:
        raise WherryError(f"'{node.path}' of {root.shown} cannot be read", why=str(error.strerror).lower()) from None
    finally:
        os.close(descriptor)
    return bytes.fromhex(hasher.digest().hex)


class _Known:
    """The digest of what was selected in layers: these never change, so nothing of them is looked at again."""

    def __init__(self, path: str, identity: str) -> None:
        self._path = path if identity else ""
        self._key = bytes.fromhex(Digest.of(identity.encode("utf-8", "surrogateescape")).hex) if identity else b""
        self.value: bytes | None = None
        self._rows: dict[bytes, bytes] = {}
        if self._path:
            self._rows = dict(_LAYERS_ROW.iter_unpack(_rows(self._path, _LAYERS_ROW.size)))
            self.value = self._rows.get(self._key)

    def add(self, value: bytes) -> None:
        if self._path:
            rows = self._rows if len(self._rows) < _MOST_LAYERS else {}
            _replace(self._path, b"".join(_LAYERS_ROW.pack(*row) for row in {**rows, self._key: value}.items()))


class _Cache:
    """The remembered digests of the contents of one root."""

    def __init__(self, folder: str, root: Root) -> None:
        name = os.path.realpath(root.path) if isinstance(root, Folder) else root.shown
        self._path = f"{folder}/{Digest.of(os.fsencode(name)).hex[:32]}" if folder else ""
        self.rows = {row[:5]: row[5] for row in _ROW.iter_unpack(_rows(self._path, _ROW.size))}

    def add(self, new: dict[_Stamp, bytes], used: Iterable[_Stamp]) -> None:
        """Keep these too; of many old ones only those that were ``used``."""
        if not new or not self._path:
            return
        rows = {**self.rows, **new}
        if len(rows) > _MOST_ROWS:
            rows = {stamp: rows[stamp] for stamp in used if stamp in rows}
        with contextlib.suppress(struct.error):  # times before 1970 and after 2262
            _replace(self._path, b"".join(_ROW.pack(*stamp, value) for stamp, value in rows.items()))


def _rows(path: str, size: int) -> memoryview:
    """What is behind the head of a file of rows; nothing if it is damaged, foreign or missing."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return memoryview(b"")
    rows = memoryview(data)[len(_HEAD) :]
    return rows if data.startswith(_HEAD) and len(rows) % size == 0 else memoryview(b"")


def _replace(path: str, rows: bytes) -> None:
    """Others may do so at once: the last wins. It never fails, since all this is only a hint."""
    work = f"{path}.{os.getpid()}.{threading.get_ident()}"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(work, "wb") as file:
            file.write(_HEAD + rows)
        os.replace(work, path)
        folder = os.path.dirname(path)
        old = sorted(os.scandir(folder), key=lambda entry: entry.stat().st_mtime)
        for entry in old[:-_MOST_FILES]:
            os.unlink(entry.path)  # contexts that were fetched lie somewhere else each time
