"""Removing layers, blobs and flattened trees that nothing names.

Whoever pulls writes a record that only we see, waits until we are done if we had begun before, and looks then
whether all is there (``publish.publish_record``). For one that was stopped in the middle and lost its turn, each thing
is taken aside, the records are read once more, and it is put back when one names it now.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.store.discard import delete_tree, file_system_time, put_aside
from wherry.store.durable import read_small
from wherry.store.marks import Marks, marks
from wherry.store.values import DAY, decode_meta, disk_bytes

if TYPE_CHECKING:
    from wherry.store.store import Store

__all__ = ["Gone", "folder_bytes", "remove_unmarked"]


class Gone(msgspec.Struct, frozen=True):
    bytes: int
    layers: tuple[str, ...]
    blobs: int
    flat: int


class _Thing(msgspec.Struct, frozen=True):
    """Something that could go: its kind (``layers``, ``blobs``, ``flat``), its name, its path, about its bytes."""

    kind: str
    name: str
    path: str
    size: int


def remove_unmarked(
    store: Store,
    trash: list[str],
    *,
    dry_run: bool = False,
    going: frozenset[Digest] = frozenset(),
    forgotten: frozenset[str] = frozenset(),
) -> Gone:
    """Move all that no record, no container and no step of a build names aside, and add it to ``trash``.

    ``going`` are images that a dry run takes for removed, ``forgotten`` steps.

    While anybody fetches, what is younger than a day stays: it may belong to what is being fetched.
    """
    marked = marks(store, without=going, forgotten=forgotten) if dry_run else marks(store)
    candidates = _grown([thing for thing in _all_things(store) if not _is_marked(thing, marked)], store)
    if dry_run or not candidates:
        return _sum(candidates)
    aside = [(thing, put_aside(store.path, thing.path)) for thing in candidates]
    marked = marks(store)
    gone = []
    for thing, place in aside:
        if place is None:
            continue
        if _is_marked(thing, marked):
            _put_back(place, thing.path)
        else:
            gone.append(thing)
            trash.append(place)
    return _sum(gone)


def folder_bytes(kind: str, path: str) -> int:
    """About the bytes of a layer, a flattened tree or a blob, without walking it."""
    try:
        if kind == "blobs":
            return os.stat(path).st_size
        data = read_small(f"{path}/meta.json") or b""
        if kind == "flat":
            found = msgspec.json.decode(data)
            return int(found.get("size", 0)) if isinstance(found, dict) else 0
        table = os.stat(f"{path}/table.zst").st_size if os.path.lexists(f"{path}/table.zst") else 0
        return disk_bytes(decode_meta(data)) + table
    except (OSError, ValueError, InvalidName):
        return 0


def _all_things(store: Store) -> list[_Thing]:
    found = []
    for kind, folder in (("layers", "layers"), ("flat", "flat"), ("blobs", "blobs/sha256"), ("blobs", "blobs/sha512")):
        try:
            names = sorted(os.listdir(f"{store.path}/{folder}"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = f"{store.path}/{folder}/{name}"
            found.append(_Thing(kind, name, path, folder_bytes(kind, path)))
    return found


def _grown(things: list[_Thing], store: Store) -> list[_Thing]:
    """Those that cannot belong to a pull that is going on."""
    from wherry.store.discard import is_anyone_working
    from wherry.store.flight import is_anyone_fetching

    if not things:
        return []
    now = file_system_time(store.path)
    if not is_anyone_fetching(store.path, now) and not is_anyone_working(store.path, now):
        return things
    return [thing for thing in things if now - _changed(thing.path) > DAY]


def _changed(path: str) -> float:
    try:
        return os.lstat(path).st_ctime  # also renewed by the rename that published it
    except FileNotFoundError:
        return 0.0


def _is_marked(thing: _Thing, marked: Marks) -> bool:
    return thing.name in {"layers": marked.layers, "blobs": marked.blobs, "flat": marked.chains}[thing.kind]


def _sum(things: list[_Thing]) -> Gone:
    layers = tuple(thing.name for thing in things if thing.kind == "layers")
    blobs = sum(thing.kind == "blobs" for thing in things)
    return Gone(sum(thing.size for thing in things), layers, blobs, len(things) - len(layers) - blobs)


def _put_back(aside: str, path: str) -> None:
    try:
        os.rename(aside, path)
    except OSError:
        delete_tree(aside)  # somebody published it anew
