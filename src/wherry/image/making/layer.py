"""An overlay's upper directory as a layer of the store: read once, hashed, its table written, its files stay where they
are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from wherry.base.digest import Digest
from wherry.base.progress import Event, Progress, silent
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.making.below import Below
from wherry.image.making.blobs import Blob, Hashing
from wherry.image.making.changes import Changes, Told, gathered, read_content
from wherry.image.making.owners import note_owners, read_beside
from wherry.image.making.table import TableWriter
from wherry.image.making.taking import Taker
from wherry.image.making.values import MadeLayer, Rules
from wherry.store import Layer, LayerMeta

if TYPE_CHECKING:
    from wherry.image.model import Descriptor
    from wherry.store import Store

__all__ = ["make_layer", "told_of"]

SUBJECT = "the new layer"


def make_layer(
    store: Store,
    below: Sequence[Layer] | Below,
    upper: str,
    *,
    rules: Rules = Rules(),  # noqa: B008
    told: Told | None = None,
    compress: str = "",
    progress: Progress = silent,
) -> MadeLayer | None:
    """The changes in an overlay's upper directory, over the layers ``below`` (bottom first), as a layer of the store.

    The directory is taken, whatever comes of this; one on another file system is copied, and left. None when it changes
    nothing. ``compress`` (``gzip``, ``zstd``) keeps the compressed tar among the store's blobs as well. The owners that
    the tree does not show are read from its attributes and from the file ``owners`` beside it, unless ``told`` says
    more.
    Raises :class:`ImageError` for what cannot be in a layer, :class:`StoreFull`, :class:`StoreError`.
    """
    told = told or told_of(upper)
    work = store.new_work()
    used = [work]

    def trash() -> str:
        used.append(store.new_work())
        return used[-1]

    try:
        with threads_needed("make a layer"):
            try:
                os.rename(upper, f"{work}/tree")
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                from wherry.image.making.copying import copy_layer

                return copy_layer(store, below, upper, rules=rules, told=told, compress=compress, progress=progress)
            return _made(store, Below.of(store, below), work, rules, told, compress, progress, Taker(trash))
    except OSError as error:
        raise storage_failure(error, SUBJECT, store.path) from error
    finally:
        for folder in used:
            if os.path.lexists(folder):
                store.discard(folder)


def told_of(upper: str, *, noted: bool = True) -> Told:
    """What lies beside an upper directory; ``noted`` as :class:`Told` has it."""
    return Told(read_beside(f"{os.path.dirname(upper.rstrip('/'))}/owners"), noted=noted)


def _made(
    store: Store,
    below: Below,
    work: str,
    rules: Rules,
    told: Told,
    compress: str,
    progress: Progress,
    taker: Taker,
) -> MadeLayer | None:
    changes = Changes(f"{work}/tree", below, rules, told, taker)
    blob = Blob(f"{work}/blob", compress) if compress else None
    diff_id, size, described = _written(changes, f"{work}/table.zst", blob, progress)
    if not changes.entries:
        return None
    if blob is not None and described is not None:
        store.keep_blob(blob.path, described.digest)
    meta = LayerMeta(
        diff_id,
        changes.size,
        changes.entries,
        changes.whiteouts,
        overlay=taker.overlay,
        rebuildable=True,
        closed=changes.closed,
        open_folders=tuple(changes.open),
        tar_size=size,
    )
    layer = store.publish_layer(work, diff_id.hex, meta, lasting=False)
    note_owners(store, layer, changes.owners)
    progress(Event(SUBJECT, "done", size, size))
    return MadeLayer(layer, diff_id, size, changes.entries, described)


class _Sink(Protocol):
    def put(self, chunk: bytes) -> None: ...
    def stop(self) -> None: ...


def _written(
    changes: Changes, table_path: str, blob: Blob | None, progress: Progress
) -> tuple[Digest, int, Descriptor | None]:
    """The pass: the tar's digest and length, and the blob, if one is wanted."""
    hashing = Hashing()
    sinks: list[_Sink] = [hashing, *([blob] if blob is not None else [])]
    table = TableWriter(table_path)
    try:
        _put(sinks, gathered(_noted(changes, table)), progress)
        table.finish()
        return hashing.finish(), hashing.size, blob.finish() if blob is not None else None
    finally:
        table.close()
        for sink in sinks:
            sink.stop()


def _noted(changes: Changes, table: TableWriter) -> Iterator[bytes]:
    """The tar; what of it the tree will not give back goes into the table."""
    for piece in changes.pieces():
        if isinstance(piece, bytes):
            table.raw(piece)
            yield piece
        elif piece.elide:
            table.elided(piece.size, piece.path)
            yield from read_content(piece)
        else:
            for chunk in read_content(piece):
                table.raw(chunk)
                yield chunk


def _put(sinks: Sequence[_Sink], chunks: Iterable[bytes], progress: Progress) -> None:
    done = 0
    for chunk in chunks:
        for sink in sinks:
            sink.put(chunk)
        done += len(chunk)
        progress(Event(SUBJECT, "reading", done, 0))
