"""Making finished work visible: everything synced, then renamed, then the folder synced; records last of all."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.store.discard import delete_tree
from wherry.store.durable import move, sync_file_system, sync_folder, sync_folders, unlink_all, write_file
from wherry.store.flight import await_collector
from wherry.store.processes import tmp_name
from wherry.store.values import encode_record

if TYPE_CHECKING:
    from wherry.store.store import Store
    from wherry.store.values import ImageRecord

__all__ = ["publish", "publish_record"]


def publish(root: str, finished: Sequence[tuple[str, str, bytes]], *, lasting: bool = True) -> None:
    """Give each (work folder, place below ``root``, content of its meta.json) its place; an existing one wins.

    Unless ``lasting`` a crash of the machine may take the places again, never a part of what has one. On any failure
    all works are removed and the error goes on.
    """
    made, there = False, []
    try:
        for item in finished:
            if os.path.isfile(f"{root}/{item[1]}/meta.json"):  # it was synced before it got its place
                there.append(item)
                delete_tree(item[0])
        finished = [item for item in finished if item not in there]
        for work, _, meta in finished:
            with open(f"{work}/meta.json", "xb", buffering=0) as file:
                file.write(meta)
        if finished:
            sync_file_system(finished[0][0])
        for work, place, _ in finished:
            made = _put(work, f"{root}/{place}") or made
        for parent in {os.path.dirname(f"{root}/{place}") for _, place, _ in finished if lasting or made}:
            sync_folders(parent, root if made else None)
    except BaseException:
        for work, _, _ in finished:
            delete_tree(work)
        raise


def publish_record(store: Store, record: ImageRecord) -> str:
    """Make the record visible if all that it names is there; else return what is missing, in words.

    First the record is written where only collectors see it (``marks``): none that begins later takes what it names.
    Then one that began earlier is waited for. What is there after that stays.
    """
    pending = f"{store.path}/images/.{record.digest.hex}.{tmp_name()}"
    try:
        write_file(store.path, pending, encode_record(record))
        await_collector(store.path)
        gone = _missing(store, record)
        if not gone:
            if record.layers:
                sync_folder(f"{store.path}/layers")  # not every layer's place lasts from the beginning
            os.rename(pending, store.record_path(record.digest))
            sync_folder(f"{store.path}/images")
        return gone
    finally:
        unlink_all([pending])


def _missing(store: Store, record: ImageRecord) -> str:
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
