"""What the image room notes of a layer's owners, so that it need not read the layer's table: ``owners/KEY``.

Hints, beside the layers, which never change: written without a sync, made again when missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wherry.store.durable import read_small, unlink_all, write_file

__all__ = ["forget", "recall", "remember"]


def recall(root: str, key: str) -> bytes | None:
    """The note, None where there is none."""
    try:
        return read_small(_path(root, key))
    except OSError:
        return None


def remember(root: str, key: str, note: bytes) -> None:
    """Keep it; a store that cannot be written stays as it is."""
    try:
        write_file(root, _path(root, key), note, sync=False)
    except OSError:
        return


def forget(root: str, is_there: Callable[[str], bool]) -> None:
    """Remove the notes of layers that are gone."""
    try:
        gone = [name for name in os.listdir(f"{root}/owners") if not is_there(name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    unlink_all(_path(root, name) for name in gone)


def _path(root: str, key: str) -> str:
    return f"{root}/owners/{key}"
