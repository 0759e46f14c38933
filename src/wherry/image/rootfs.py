"""An image's merged root file system as one tar, as root would have it: owners, modes, devices and attributes are taken
from the layers' tables, contents from their trees. The same image gives the same bytes.

A container's writable layer may lie on top: what it holds is taken as it is on disk, and what belongs to who runs this
belongs to root in the tar, as in images.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from wherry.base.errors import ImageError, reason
from wherry.image.headers import Member, header
from wherry.image.local import Image
from wherry.image.table import TableEntry, TarReader, read_entries, read_frames
from wherry.image.tree import Entry, Tree
from wherry.store import Layer

__all__ = ["layers_tar", "root_tar"]

_CHUNK = 1 << 20
_BLOCK = 512


def root_tar(image: Image, upper: str = "") -> Iterator[bytes]:
    """The tar stream, entries sorted by path; ``upper`` is a container's writable layer in the overlay's form.

    Raises :class:`ImageError` when a file cannot be read.
    """
    return layers_tar(image.layers, upper)


def layers_tar(
    layers: Sequence[Layer], upper: str = "", marks: Mapping[str, Sequence[Member]] | None = None
) -> Iterator[bytes]:
    """The same of layers, bottom first; ``marks`` are further entries, by the directory behind which they come."""
    marks = marks or {}
    merged = _Merged(tuple(layers), upper)
    for mark in marks.get("", ()):
        yield header(mark)
    for member, real in merged.members():
        yield header(member)
        if member.kind == "dir" and member.path:
            yield from map(header, marks.get(member.path, ()))
        if member.kind == "file" and member.size:
            yield from _content(merged, member, real)
            yield bytes(-member.size % _BLOCK)
    yield bytes(2 * _BLOCK)


def inlined(table: str, path: str) -> Iterator[bytes]:
    """The content of a layer's file that its owner may not read: its table has it (docs/design/layer-table.md).

    Raises :class:`ImageError` when it has not.
    """
    import tarfile

    with tarfile.open(fileobj=TarReader(read_frames(table)), mode="r|") as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.isreg() and os.path.normpath(member.name).lstrip("/") == path:
                content = archive.extractfile(member)
                while chunk := content.read(_CHUNK):
                    yield chunk
                return
    raise ImageError(f"'{path}' cannot be read", why="its owner may not")


class _Facts(msgspec.Struct, frozen=True):
    """What one layer's table says: its entries by path, hard links as what they lead to."""

    root: str
    table: str
    entries: dict[str, TableEntry]

    def member(self, real: str) -> TableEntry | None:
        return self.entries.get(real[len(self.root) + 1 :])


class _Merged:
    """The view of all layers, with what each one's table knows."""

    def __init__(self, layers: tuple[Layer, ...], upper: str) -> None:
        self._view = Tree.of(layers, upper)
        self._facts = tuple(_Facts(layer.tree, layer.table, _read(layer)) for layer in reversed(layers))
        self._devices = _devices([facts.entries for facts in reversed(self._facts)], self._view, upper)
        self._names: dict[tuple[int, int], str] = {}

    def members(self) -> Iterator[tuple[Member, str]]:
        """Each entry with where its content is on disk."""
        root = self._view.root
        if any("" in facts.entries for facts in self._facts):
            yield self._described(root), root.real
        yield from self._below(root)

    def inlined(self, real: str) -> Iterator[bytes]:
        """The content of a file that its owner may not read: it is in the table."""
        for facts in self._facts:
            if real.startswith(f"{facts.root}/"):
                return inlined(facts.table, real[len(facts.root) + 1 :])
        raise ImageError(f"'{real}' cannot be read", why="its owner may not")

    def _below(self, directory: Entry) -> Iterator[tuple[Member, str]]:
        """Images may be deeper than calls can nest."""
        pending = [self._listed(directory)]
        while pending:
            entry = next(pending[-1], None)
            if entry is None:
                pending.pop()
            elif isinstance(entry, Member):
                yield entry, ""
            elif not stat.S_ISSOCK(entry.mode):
                yield self._described(entry), entry.real
                if entry.is_dir:
                    pending.append(self._listed(entry))

    def _listed(self, directory: Entry) -> Iterator[Entry | Member]:
        found: dict[str, Entry | Member] = dict(self._devices.get(directory.path.strip("/"), {}))
        found.update({entry.path.rpartition("/")[2]: entry for entry in self._view.entries(directory)})
        return iter([entry for _, entry in sorted(found.items())])

    def _described(self, entry: Entry) -> Member:
        path = entry.path.strip("/")
        status = os.lstat(entry.real)
        known = self._known(entry)
        if entry.is_file and status.st_nlink > 1:
            first = self._names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                return _member(path, "link", known, status, target=first)
        kind, size = "fifo", 0
        if entry.is_dir:
            kind = "dir"
        elif entry.is_file:
            kind, size = "file", status.st_size
        elif stat.S_ISLNK(entry.mode):
            kind = "symlink"
        return _member(path, kind, known, status, size=size, target=entry.target)

    def _known(self, entry: Entry) -> TableEntry | None:
        """What the table of the layer says that the entry comes from; of a directory, of the highest that names it."""
        for real in [folder for _, folder in entry.folders] or [entry.real]:
            for facts in self._facts:
                if real == facts.root or real.startswith(f"{facts.root}/"):
                    if (known := facts.member(real)) is not None:
                        return known
                    break
            else:
                return None  # the container's own: as it is on disk
        return None


def _read(layer: Layer) -> dict[str, TableEntry]:
    entries: dict[str, TableEntry] = {}
    if not layer.table:
        return entries
    for entry in read_entries(layer.table):
        if entry.kind == "link":
            target = entries.get("/".join(part for part in entry.target.split("/") if part not in ("", ".")))
            if target is None:
                continue
            entry = msgspec.structs.replace(target, path=entry.path)
        entries[entry.path] = entry
    return entries


def _devices(layers: Sequence[dict[str, TableEntry]], view: Tree, upper: str) -> dict[str, dict[str, Member]]:
    """Devices, which no tree holds, by folder and name, as far as no higher layer hides them."""
    found: dict[str, TableEntry] = {}
    for entries in layers:
        for path in list(found):
            folders = ["/".join(path.split("/")[:count]) for count in range(path.count("/") + 1)]
            marks = [f"{folder}/.wh..wh..opq".lstrip("/") for folder in folders]
            marks += [_whiteout(each) for each in (path, *folders) if each]
            if path in entries or any(mark in entries for mark in marks):
                del found[path]
        found.update({path: entry for path, entry in entries.items() if entry.kind in ("char", "block")})
    placed: dict[str, dict[str, Member]] = {}
    for path, entry in found.items():
        folder, _, name = path.rpartition("/")
        parent = view.stat(f"/{folder}")
        if parent is None or not parent.is_dir or (upper and os.path.lexists(f"{upper}/{path}")):
            continue
        inside = f"{parent.path.strip('/')}/{name}".lstrip("/")
        member = _member(inside, entry.kind, entry, None)
        placed.setdefault(parent.path.strip("/"), {})[name] = member
    return placed


def _whiteout(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.wh.{name}".lstrip("/")


def _member(
    path: str,
    kind: str,
    known: TableEntry | None,
    status: os.stat_result | None,
    *,
    size: int = 0,
    target: str = "",
) -> Member:
    """Mode, owner, time and attributes as the table has them, else as they are on disk, with root for oneself."""
    if known is not None:
        return Member(
            path, kind, known.mode, known.uid, known.gid, size, known.mtime_ns, target, known.device, known.xattrs
        )
    assert status is not None
    uid = 0 if status.st_uid == os.geteuid() else status.st_uid
    gid = 0 if status.st_gid == os.getegid() else status.st_gid
    return Member(path, kind, stat.S_IMODE(status.st_mode), uid, gid, size, status.st_mtime_ns, target)


def _content(merged: _Merged, member: Member, real: str) -> Iterator[bytes]:
    left = member.size
    try:
        file = open(real, "rb", buffering=0)  # noqa: SIM115 - closed below
    except PermissionError:
        yield from merged.inlined(real)
        return
    except OSError as error:
        raise ImageError(f"'{real}' cannot be read", why=reason(error)) from None
    with file:
        while left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise ImageError(f"'{real}' became shorter while it was read", hint="again, when nothing writes there")
            left -= len(chunk)
            yield chunk
