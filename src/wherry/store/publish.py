"""Making finished work visible: everything synced, then renamed, then the folder synced."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.store.discard import delete_tree
from wherry.store.durable import move, sync_file_system, sync_folders

if TYPE_CHECKING:
    from wherry.store.store import Store
    from wherry.store.values import ImageRecord

__all__ = ["missing", "publish"]


def publish(root: str, finished: Sequence[tuple[str, str, bytes]]) -> None:
    """Give each (work folder, place below ``root``, content of its meta.json) its place; an existing one wins.

    On any failure all works are removed and the error goes on.
    """
    made = False
    try:
        for work, _, meta in finished:
            with open(f"{work}/meta.json", "xb", buffering=0) as file:
                file.write(meta)
        if finished:
            sync_file_system(finished[0][0])
        for work, place, _ in finished:
            made = _put(work, f"{root}/{place}") or made
        for parent in {os.path.dirname(f"{root}/{place}") for _, place, _ in finished}:
            sync_folders(parent, root if made else None)
    except BaseException:
        for work, _, _ in finished:
            delete_tree(work)
        raise


def missing(store: Store, record: ImageRecord) -> str:
    """What the record names and the store lacks, in words; empty when all is there.

    A collector takes a layer aside, looks at the records once more and puts it back when it is wanted; so what is
    missing is looked for again for a second before it counts as gone.
    """
    gone = ""
    for _ in range(20):
        gone = _missing_now(store, record)
        if not gone:
            return ""
        time.sleep(0.05)
    return gone


def _missing_now(store: Store, record: ImageRecord) -> str:
    for key in record.layers:
        if store.find_layer(key) is None:
            return f"layer '{key[:12]}'"
    for blob in (record.digest, *record.blobs):
        if not store.has_blob(blob):
            return f"blob '{blob}'"
    return ""


def _put(work: str, target: str) -> bool:
    """Whether folders were made."""
    try:
        return move(work, target)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isfile(f"{target}/meta.json"):
            return False  # a file server answered twice: the first answer, that it was done, was lost
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    delete_tree(work)
    return False
