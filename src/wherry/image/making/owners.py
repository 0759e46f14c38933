"""What a layer's tree cannot show of its entries: owners, set-id bits, devices, foreign attributes, in three forms.

- In an upper directory, as a build's supervisor leaves it: the attribute ``user.wherry.owner`` (``UID:GID:MODE`` in
  octal, and ``:c:MAJOR:MINOR`` or ``:b:...`` for a device, which is an empty file there) and one
  ``user.wherry.xattr.NAME`` for each foreign attribute.
- Beside it in the file ``owners``, a line of JSON each, for what can carry no attributes (links, fifos).
- Of a layer of the store: in its table. Reading all of that takes a while, so what is out of the ordinary in it is
  noted once in the store, as ``owners/KEY``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import ImageError
from wherry.image.making.scanning import Scanned, scan
from wherry.image.table import read_entries
from wherry.store import Layer

if TYPE_CHECKING:
    from wherry.image.table import TableEntry
    from wherry.store import Store

__all__ = [
    "FOREIGN",
    "OWNER",
    "LayerOwners",
    "Owner",
    "is_odd",
    "layer_owners",
    "note_owners",
    "of_attributes",
    "read_beside",
]

OWNER = "user.wherry.owner"
FOREIGN = "user.wherry.xattr."
_VALUE = re.compile(rb"(\d{1,10}):(\d{1,10}):([0-7]{1,5})(?::([cb]):(\d{1,7}):(\d{1,8}))?")
_KINDS = {"c": "char", "b": "block"}
_ODD = 0o6022
"""Permission bits that a store's tree never has."""


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """``mode`` are the permission bits, -1 for those on disk; ``kind`` is ``char``, ``block``, or empty for what is no
    device."""

    uid: int = 0
    gid: int = 0
    mode: int = 0
    kind: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}


class LayerOwners(msgspec.Struct, frozen=True):
    """Of a layer: ``odd`` are the entries that are not what the tree shows, by path (bytes: names need be no text);
    ``unnamed`` directories that its archive does not name, so that a lower layer says what they are."""

    odd: dict[bytes, Owner] = {}
    unnamed: frozenset[bytes] = frozenset()


def of_attributes(attributes: Mapping[str, bytes], path: str) -> Owner | None:
    """What a build's supervisor noted of a file or directory, None when it noted nothing."""
    value = attributes.get(OWNER)
    foreign = {name[len(FOREIGN) :]: data for name, data in attributes.items() if name.startswith(FOREIGN)}
    if value is None:
        return Owner(mode=-1, xattrs=foreign) if foreign else None
    found = _VALUE.fullmatch(value)
    if found is None:
        raise ImageError(f"'{path}' has an owner that cannot be read", why=f"its attribute '{OWNER}' is {value!r}")
    uid, gid, mode, kind, major, minor = found.groups()
    device = (int(major), int(minor)) if kind else (0, 0)
    return Owner(int(uid), int(gid), int(mode, 8) & 0o7777, _KINDS[kind.decode()] if kind else "", device, foreign)


class _Line(msgspec.Struct):
    path: str
    uid: int = 0
    gid: int = 0
    mode: int | None = None
    kind: str | None = None
    major: int = 0
    minor: int = 0
    xattrs: dict[str, str] | None = None


def read_beside(path: str) -> dict[str, Owner]:
    """The file ``owners`` beside an upper directory; the last line of a path counts. Empty where there is none."""
    found: dict[str, Owner] = {}
    try:
        with open(path, "rb") as file:
            for text in file:
                if text.strip():
                    _add(found, text, path)
    except FileNotFoundError:
        return {}
    return found


def _add(found: dict[str, Owner], text: bytes, path: str) -> None:
    import json  # msgspec refuses the halves of characters that names of undecodable bytes are written with

    try:
        line = msgspec.convert(json.loads(text), _Line)
        xattrs = {name: base64.b64decode(value, validate=True) for name, value in (line.xattrs or {}).items()}
    except (ValueError, binascii.Error) as error:
        raise ImageError(f"'{path}' cannot be read", why=str(error)) from None
    mode = -1 if line.mode is None else line.mode & 0o7777
    kind = _KINDS.get(line.kind or "", "")
    found[line.path.strip("/")] = Owner(line.uid, line.gid, mode, kind, (line.major, line.minor), xattrs)


# ---- what the store's layers have -----------------------------------------------------------------------------------


def layer_owners(store: Store, layer: Layer) -> LayerOwners:
    """What is out of the ordinary in a layer; read from its table once, then from the store's note."""
    if not layer.table:
        return LayerOwners()  # a directory of the host's: it is what it is
    data = store.owners_note(layer.key)
    if data is not None:
        try:
            return msgspec.msgpack.decode(data, type=LayerOwners)
        except msgspec.DecodeError:
            pass  # a cut file says nothing
    found = _from_table(layer)
    note_owners(store, layer, found)
    return found


def note_owners(store: Store, layer: Layer, owners: LayerOwners) -> None:
    """Keep it for :func:`layer_owners`. Never fails: without it the table is read again."""
    try:
        data = msgspec.msgpack.encode(owners)
    except UnicodeEncodeError:
        return  # an attribute's name that is no text
    store.note_owners(layer.key, data)


def _from_table(layer: Layer) -> LayerOwners:
    try:
        return _gathered(scan(layer.table))
    except ValueError:
        return _gathered(map(_scanned, read_entries(layer.table)))


def _gathered(entries: Iterable[bytes | Scanned]) -> LayerOwners:
    odd: dict[bytes, Owner] = {}
    named: set[bytes] = set()
    needed: set[bytes] = set()
    for entry in entries:
        path = entry if isinstance(entry, bytes) else entry.path
        if path[-1:] == b"/" or (not isinstance(entry, bytes) and entry.kind == "dir"):
            path = path.rstrip(b"/")
            named.add(path)
        folder, _, name = path.rpartition(b"/")
        needed.add(folder)
        if name.startswith(b".wh."):
            continue
        if odd:
            odd.pop(path, None)  # of two entries with one path the last counts
        if not isinstance(entry, bytes):
            _take(odd, path, entry)
    for folder in tuple(needed):
        while folder:
            folder = folder.rpartition(b"/")[0]
            needed.add(folder)
    return LayerOwners(odd, frozenset(needed - named))


def _take(odd: dict[bytes, Owner], path: bytes, entry: Scanned) -> None:
    if entry.kind == "link":
        if entry.target in odd:
            odd[path] = odd[entry.target]
        return
    foreign = {name: value for name, value in entry.xattrs.items() if not name.startswith("user.")}
    kind = entry.kind if entry.kind in ("char", "block") else ""
    if is_odd(entry.kind, entry.uid, entry.gid, entry.mode) or foreign:
        odd[path] = Owner(entry.uid, entry.gid, entry.mode, kind, entry.device, foreign)


def _scanned(entry: TableEntry) -> Scanned:
    target = "/".join(part for part in entry.target.split("/") if part not in ("", "."))
    return Scanned(
        os.fsencode(entry.path),
        entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        os.fsencode(target),
        entry.device,
        entry.xattrs,
    )


def is_odd(kind: str, uid: int, gid: int, mode: int) -> bool:
    """Whether an entry's table says what its tree cannot show (foreign attributes apart)."""
    return bool(uid or gid or kind in ("char", "block") or (mode & _ODD and kind != "symlink"))
