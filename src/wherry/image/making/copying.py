"""A layer from a tar that is made on the way: of an upper directory that stays, or lies on another file system."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.base.progress import Event, Progress, silent
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.layers import finished
from wherry.image.making.below import Below
from wherry.image.making.blobs import Blob
from wherry.image.making.changes import Changes, Told, gathered, read_content
from wherry.image.making.values import MadeLayer, Rules
from wherry.image.model import chain_ids
from wherry.image.pipeline import unpack
from wherry.store import Layer

if TYPE_CHECKING:
    from wherry.store import Store

__all__ = ["copy_layer", "layer_of_tar"]

SUBJECT = "the new layer"
_CHUNK = 1 << 18
_UNKNOWN = 1 << 40


def copy_layer(
    store: Store,
    below: Sequence[Layer] | Below,
    upper: str,
    *,
    rules: Rules = Rules(),  # noqa: B008
    told: Told | None = None,
    compress: str = "",
    progress: Progress = silent,
) -> MadeLayer | None:
    """As ``make_layer``, and ``upper`` stays as it is: every file is copied.

    A container may be running there: files that it changes meanwhile are an :class:`ImageError`.
    """

    under = Below.of(store, below)

    def tar() -> Iterator[bytes]:
        for piece in Changes(upper, under, rules, told or Told()).pieces():
            yield from [piece] if isinstance(piece, bytes) else read_content(piece)

    return layer_of_tar(store, under.layers, tar, compress=compress, progress=progress)


def layer_of_tar(
    store: Store,
    below: Sequence[Layer],
    tar: Callable[[], Iterable[bytes]],
    *,
    compress: str = "",
    progress: Progress = silent,
) -> MadeLayer | None:
    """The tar's content as a layer of the store, on top of ``below``; None when it is empty. ``tar`` is called once and
    read in a thread of its own."""
    work = store.new_work()
    counted = _Counted(tar, Blob(f"{work}/blob", compress) if compress else None, progress)
    try:
        with threads_needed("make a layer"):
            done = unpack(counted.chunks, _UNKNOWN, work, SUBJECT, expected=None, cancelled=threading.Event())
        if not done.summary.entries:
            return None
        described = counted.blob.finish() if counted.blob is not None else None
        if counted.blob is not None and described is not None:
            store.keep_blob(counted.blob.path, described.digest)
        chain = chain_ids(tuple(layer.meta.diff_id for layer in below))
        key, meta = finished(work, done, chain[-1] if chain else None, below, (), SUBJECT)
        layer = store.publish_layer(work, key, msgspec.structs.replace(meta, tar_size=counted.size))
        progress(Event(SUBJECT, "done", counted.size, counted.size))
        return MadeLayer(layer, done.diff_id, counted.size, done.summary.entries, described)
    except OSError as error:
        raise storage_failure(error, SUBJECT, store.path) from error
    finally:
        if counted.blob is not None:
            counted.blob.stop()
        if os.path.lexists(work):
            store.discard(work)


class _Counted:
    """The tar on its way to the unpacker, and to the compressor if there is one."""

    def __init__(self, tar: Callable[[], Iterable[bytes]], blob: Blob | None, progress: Progress) -> None:
        self._tar = tar
        self._progress = progress
        self.blob = blob
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        for chunk in gathered(self._tar(), _CHUNK):
            if self.blob is not None:
                self.blob.put(chunk)
            self.size += len(chunk)
            self._progress(Event(SUBJECT, "reading", self.size, 0))
            yield chunk
