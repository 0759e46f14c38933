"""All names and records of a store at once, for listings: what was read before is read again only where it changed.

Names and records are put in place by rename(2), which changes the folder. So a folder whose stamp is the one that was
seen holds what was read then, and a listing of a thousand images looks at folders and not at files. What was read is
kept in ``listed/HASH`` of the user's own store, for each store of the stack; it is a hint, made anew when missing.
"""

# Without 'from __future__ import annotations': msgspec would compile each annotation's text.
import os
import time
from collections.abc import Iterator

import msgspec

from wherry.base.digest import Digest
from wherry.base.reference import Reference
from wherry.store import names as on_disk
from wherry.store.store import Store
from wherry.store.values import ImageRecord, Name

__all__ = ["Listed", "listed"]

_YOUNG_NS = 2_000_000_000
"""A folder changed so recently may change again without a new stamp: file systems' clocks are that coarse."""


class Listed(msgspec.Struct, frozen=True):
    """As :meth:`Store.names` and :meth:`Store.image_records` give them."""

    names: tuple[tuple[Reference, Name], ...]
    records: tuple[ImageRecord, ...]


class _Folder(msgspec.Struct, array_like=True):
    """A folder below ``names/``: its stamp, the folders in it, and tag, manifest, index and platform of each name."""

    path: str
    stamp: tuple[int, int, int]
    folders: list[str]
    names: list[tuple[str, str, str, str]]


class _Record(msgspec.Struct, array_like=True):
    digest: str
    size: int
    layers: list[str]
    created: str
    pulled: str
    blobs: list[str]
    reference: str


class _Known(msgspec.Struct, array_like=True):
    store: str
    folders: list[_Folder]
    images: tuple[int, int, int]
    records: list[_Record]


_NONE = (0, 0, 0)


def listed(store: Store, *, keep: bool = True) -> Listed:
    """All names and images of the stack, the user's own first; without ``keep`` nothing is written."""
    names: dict[Reference, Name] = {}
    records: dict[Digest, ImageRecord] = {}
    for each in (store, *store.site):
        path = f"{store.path}/listed/{Digest.of(each.path.encode()).hex[:16]}"
        known = _recall(path, each.path)
        now = _look(each, known)
        if keep and now != known:
            _keep(store, path, now)
        for reference, name in _names(now):
            names.setdefault(reference, name)
        for record in now.records:
            digest = _digest(record.digest)
            if digest not in records:
                records[digest] = _record(digest, record)
    return Listed(tuple(names.items()), tuple(records.values()))


def _recall(path: str, store: str) -> _Known:
    try:
        with open(path, "rb", buffering=0) as file:
            found = msgspec.msgpack.decode(file.read(), type=_Known)
    except (OSError, msgspec.MsgspecError):
        return _Known(store, [], _NONE, [])
    return found if found.store == store else _Known(store, [], _NONE, [])


def _look(store: Store, known: _Known) -> _Known:
    folders = list(_folders(f"{store.path}/names", {folder.path: folder for folder in known.folders}))
    stamp = _stamp(f"{store.path}/images", time.time_ns() - _YOUNG_NS)
    if stamp != _NONE and stamp == known.images:
        return _Known(store.path, folders, stamp, known.records)
    # Not the stack's records: each store's own, whatever a store above it says.
    return _Known(store.path, folders, stamp, [_plain(record) for record in Store(store.path).image_records()])


def _folders(root: str, known: dict[str, _Folder]) -> Iterator[_Folder]:
    pending = [""]
    old = time.time_ns() - _YOUNG_NS
    while pending:
        path = pending.pop()
        before = known.get(path)
        stamp = _stamp(f"{root}/{path}", old)
        found = before if before is not None and _NONE != stamp == before.stamp else _scan(root, path, stamp)
        yield found
        if found.folders:
            pending += [f"{path}{name}/" for name in reversed(found.folders)]


def _scan(root: str, path: str, stamp: tuple[int, int, int]) -> _Folder:
    """Read the folder; one that is gone is an empty one."""
    from wherry.store.durable import read_small

    found = _Folder(path, stamp, [], [])
    try:
        with os.scandir(f"{root}/{path}") as entries:
            inside = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return found
    for file, is_folder in inside:
        if is_folder:
            found.folders.append(file)
            continue
        data = read_small(f"{root}/{path}{file}") if file.startswith(":") and path else None
        name = None if data is None else on_disk.decode(data)
        if name is not None:
            found.names.append((file, str(name.digest), str(name.index or ""), name.platform))
    return found


def _stamp(path: str, old: int) -> tuple[int, int, int]:
    """What tells that a folder is as it was; :data:`_NONE` where nothing can be told: it is missing, or was changed
    after ``old``."""
    try:
        found = os.stat(path)
    except OSError:
        return _NONE
    changed, seen = found.st_mtime_ns, found.st_ctime_ns
    return _NONE if changed > old or seen > old else (changed, seen, found.st_ino)


def _keep(store: Store, path: str, known: _Known) -> None:
    """Never fails: without it the next listing reads again. Not synced: after a crash it is no MessagePack, or old."""
    from wherry.store.durable import write_file

    if not store.writable or not os.path.exists(f"{store.path}/format"):  # somebody only looks: it is no store yet
        return
    try:
        write_file(store.path, path, msgspec.msgpack.encode(known), sync=False)
    except OSError:
        return


def _names(known: _Known) -> Iterator[tuple[Reference, Name]]:
    for folder in known.folders:
        registry, _, repository = folder.path[:-1].partition("/")
        for file, digest, index, platform in folder.names if repository else ():
            reference = Reference(registry, repository, file[1:])
            yield reference, Name(_digest(digest), _digest(index) if index else None, platform)


def _digest(text: str) -> Digest:
    algorithm, _, digits = text.partition(":")
    return Digest(algorithm, digits)


def _plain(record: ImageRecord) -> _Record:
    blobs = [str(blob) for blob in record.blobs]
    return _Record(
        str(record.digest), record.size, list(record.layers), record.created, record.pulled, blobs, record.reference
    )


def _record(digest: Digest, found: _Record) -> ImageRecord:
    blobs = tuple(map(_digest, found.blobs))
    return ImageRecord(digest, found.size, tuple(found.layers), found.created, found.pulled, blobs, found.reference)
