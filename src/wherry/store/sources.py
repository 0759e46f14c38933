"""Where layers' compressed bytes can be had, beside the layers, which never change: ``sources/KEY``, JSON.

A layer's own figures name where it came from first. What is learnt later (another image has it in another compression,
a push brought it to another registry) is kept here. These are hints: they are written without a sync, the last of two
writers wins, and a file that cannot be read says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.store.durable import read_small, unlink_all, write_file
from wherry.store.values import LayerSource

__all__ = ["MOST", "forget", "merged", "recall", "remember"]

MOST = 16
"""Sources kept of a layer, besides the first."""


class _OnDisk(msgspec.Struct):
    digest: str
    size: int
    media_type: str
    repository: str
    verified: bool = False


def merged(sources: Iterable[LayerSource]) -> tuple[LayerSource, ...]:
    """Each digest and repository once, in their order; what was verified once is, wherever it lies."""
    found: dict[tuple[Digest, str], LayerSource] = {}
    verified = set()
    for source in sources:
        found.setdefault((source.digest, source.repository), source)
        if source.verified:
            verified.add(source.digest)
    return tuple(
        msgspec.structs.replace(source, verified=True) if source.digest in verified else source
        for source in found.values()
    )


def recall(root: str, key: str) -> tuple[LayerSource, ...]:
    """What was learnt of layer ``key``, the last first."""
    try:
        read = msgspec.json.decode(read_small(_path(root, key)) or b"[]", type=list[_OnDisk])
        return tuple(
            LayerSource(Digest.parse(one.digest), one.size, one.media_type, one.repository, one.verified)
            for one in read
        )
    except (OSError, ValueError, InvalidName):
        return ()


def remember(root: str, key: str, source: LayerSource) -> None:
    """Add ``source``; a store that cannot be written stays as it is."""
    kept = merged((source, *recall(root, key)))[:MOST]
    lines = [_OnDisk(str(one.digest), one.size, one.media_type, one.repository, one.verified) for one in kept]
    try:
        write_file(root, _path(root, key), msgspec.json.encode(lines), sync=False)
    except OSError:
        return


def forget(root: str, is_there: Callable[[str], bool]) -> int:
    """Remove what is known of layers that are gone; how many files went."""
    try:
        gone = [name for name in os.listdir(f"{root}/sources") if not is_there(name)]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    unlink_all(_path(root, name) for name in gone)
    return len(gone)


def _path(root: str, key: str) -> str:
    return f"{root}/sources/{key}"
