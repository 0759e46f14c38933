"""What must stay: the layers, blobs and flattened trees that an image's record or a kept container names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName, StoreError
from wherry.store.built import built_steps
from wherry.store.durable import read_small
from wherry.store.holds import held
from wherry.store.store import digest_of_file
from wherry.store.values import MERGED, ImageRecord, decode_record

if TYPE_CHECKING:
    from wherry.store.store import Store

__all__ = ["Kept", "Marks", "kept_containers", "marks", "own_records"]

_MENTIONS_WITHIN = 8 << 20
"""Bytes: blobs up to this size are searched for digests of further blobs (a manifest names its configuration)."""


class Kept(msgspec.Struct, frozen=True):
    """A kept container, as far as the store must know it."""

    id: str
    name: str
    image_digest: str
    layers: tuple[str, ...]


class Marks(msgspec.Struct, frozen=True):
    """Names of what must stay below ``layers/``, ``blobs/ALGORITHM/`` and ``flat/``."""

    layers: frozenset[str]
    blobs: frozenset[str]
    chains: frozenset[str]


class _ContainerOnDisk(msgspec.Struct):
    image_digest: str = ""
    layers: list[str] = []
    name: str = ""


def marks(
    store: Store,
    *,
    without: frozenset[Digest] = frozenset(),
    forgotten: frozenset[str] = frozenset(),
    cached: bool = True,
) -> Marks:
    """Read every record, also those being removed or added, every kept container, what running builds hold and what
    builds left: ``without`` some images and ``forgotten`` steps, or not at all (unless ``cached``).

    Raises :class:`StoreError` when one cannot be read: what it needs is unknown, so nothing may go.
    """
    layers = {step.layer for step in built_steps(store.path) if step.key not in forgotten} if cached else set()
    layers |= held(store.path)
    stacks: list[tuple[str, ...]] = []
    blobs: set[str] = set()
    for record in own_records(store, hidden=True):
        if record.digest in without:
            continue
        layers.update(record.layers)
        stacks.append(record.layers)
        _mark_blobs(store, (record.digest, *record.blobs), blobs)
    for container in kept_containers(store):
        layers.update(container.layers)
        stacks.append(container.layers)
        try:
            _mark_blobs(store, (Digest.parse(container.image_digest),), blobs)
        except InvalidName:
            continue
    return Marks(frozenset(layers), frozenset(blobs), _chains(store, stacks))


def own_records(store: Store, *, hidden: bool = False) -> list[ImageRecord]:
    """The records of this store alone; with ``hidden`` also those that are being removed, or not quite added."""
    found = []
    for name in _list(f"{store.path}/images"):
        digest = digest_of_file(name.lstrip(".").partition(".")[0] if hidden else name)
        data = None if digest is None else read_small(f"{store.path}/images/{name}")
        if digest is None or data is None:
            continue
        try:
            found.append(decode_record(digest, data))
        except (ValueError, InvalidName):
            raise StoreError(
                f"'{store.path}/images/{name}' cannot be read",
                why="what the image needs is not known, so nothing can be removed",
                hint=f"remove that file, then pull the image again: rm '{store.path}/images/{name}'",
            ) from None
    return found


def kept_containers(store: Store) -> list[Kept]:
    """The containers below ``containers/``; their own room writes them, layers and image are read here."""
    found = []
    for container_id in _list(f"{store.path}/containers"):
        path = f"{store.path}/containers/{container_id}/container.json"
        data = read_small(path)
        if data is None:
            continue
        try:
            read = msgspec.json.decode(data, type=_ContainerOnDisk)
        except ValueError:
            raise StoreError(
                f"'{path}' cannot be read",
                why="what the container needs is not known, so nothing can be removed",
                hint=f"wherry rm --force {container_id[:12]}",
            ) from None
        found.append(Kept(container_id, read.name or container_id[:12], read.image_digest, tuple(read.layers)))
    return found


def _mark_blobs(store: Store, digests: tuple[Digest, ...], marked: set[str]) -> None:
    """Mark blobs and those that they mention: a manifest its configuration, an index its manifests."""
    import re

    pending = [digest.hex for digest in digests]
    while pending:
        name = pending.pop()
        if name in marked:
            continue
        marked.add(name)
        path = f"{store.path}/blobs/{'sha512' if len(name) == 128 else 'sha256'}/{name}"
        try:
            if os.stat(path).st_size > _MENTIONS_WITHIN:
                continue
            data = read_small(path) or b""
        except OSError:
            continue
        if data[:1].isspace() or data[:1] == b"{":
            mentions = re.findall(rb"sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})", data)
            pending.extend(mention.decode()[7:] for mention in mentions)


def _chains(store: Store, stacks: list[tuple[str, ...]]) -> frozenset[str]:
    """The chain ids (OCI image-spec, config.md, "Layer ChainID") of whole stacks of layers, and of the many lowest."""
    if not _list(f"{store.path}/flat"):
        return frozenset()
    found: set[str] = set()
    for stack in stacks:
        chain = ""
        for count, key in enumerate(stack):
            if count and count % MERGED == 0:
                found.add(chain.rpartition(":")[2])
            layer = store.find_layer(key)
            if layer is None:
                break
            chain = str(Digest.of(f"{chain} {layer.meta.diff_id}".encode())) if chain else str(layer.meta.diff_id)
        else:
            name = chain.rpartition(":")[2]
            found.update((name, f"{name}-plain"))  # the two kinds of flattened trees
    return frozenset(found)


def _list(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
