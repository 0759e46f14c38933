"""Getting an image's layers into the store: each once, several at a time, from wherever their bytes come."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import DigestMismatch, Interrupted
from wherry.base.progress import Event, Progress
from wherry.image.faults import storage_failure
from wherry.image.model import Descriptor, chain_ids
from wherry.image.settle import Settled, dependent_key, depends, settle
from wherry.store import Layer, LayerMeta, LayerSource, Store

if TYPE_CHECKING:
    from wherry.image.pipeline import Unpacked

__all__ = ["LayerBytes", "Wanted", "bring_layers", "estimate", "find_layer", "finished", "wanted_layers"]

_PARALLEL = 3
"""Layers at a time where no registry is asked, so no setting tells."""

_RATIO = {"": 1.0, "gzip": 3.2, "zstd": 3.6}


class LayerBytes(Protocol):
    """Where compressed layers come from: a registry, an archive."""

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterable[bytes]:
        """The blob from ``offset`` on (``hasher`` has seen what is before); raises if its digest is wrong at the end.

        What it returns is closed if it can be.
        """

    @property
    def resumable(self) -> bool:
        """Whether bytes are worth keeping until they are whole."""

    @property
    def doing(self) -> str:
        """What it is called while bytes come: the stage of the events."""

    @property
    def repository(self) -> str:
        """``registry/repository``, empty when the bytes cannot be had again."""


class Wanted(msgspec.Struct, frozen=True):
    """A layer of an image: ``below`` is the chain id of what it lies on, None for the lowest."""

    descriptor: Descriptor
    diff_id: Digest
    below: Digest | None

    @property
    def short(self) -> str:
        return self.descriptor.digest.short


def wanted_layers(descriptors: Sequence[Descriptor], diff_ids: tuple[Digest, ...]) -> tuple[Wanted, ...]:
    """The layers of an image, bottom first."""
    chain = (None, *chain_ids(diff_ids))
    return tuple(map(Wanted, descriptors, diff_ids, chain))


def find_layer(store: Store, wanted: Wanted) -> Layer | None:
    """The layer, if it is unpacked here."""
    return store.find_layer(wanted.diff_id.hex) or store.find_layer(dependent_key(wanted.below, wanted.diff_id))


def estimate(store: Store, wanted: Sequence[Wanted]) -> int:
    """About the bytes that the layers not yet here will take."""
    missing = {item.diff_id: item for item in wanted if find_layer(store, item) is None}
    total = 0
    for item in missing.values():
        suffix = item.descriptor.media_type.rpartition("+")[2].rpartition(".")[2]
        ratio = _RATIO.get(suffix, 1.0 if suffix == "tar" else _RATIO["gzip"])
        total += int(item.descriptor.size * (ratio + (1 if ratio > 1 else 0)))
    return total


def bring_layers(
    store: Store,
    wanted: Sequence[Wanted],
    source: LayerBytes,
    progress: Progress,
    *,
    keep_blobs: bool = False,
    parallel: int = _PARALLEL,
) -> tuple[Layer, ...]:
    """All layers, unpacked and synced, bottom first, ``parallel`` at a time; those that another process fetches are
    waited for.

    On failure or interruption all work is undone but what was downloaded, which the next call goes on with.
    """
    ready = [find_layer(store, item) for item in wanted]
    for item, layer in zip(wanted, ready, strict=True):
        if layer is not None:
            _remember(store, layer, item.descriptor, source)
            progress(Event(item.short, "exists", item.descriptor.size, item.descriptor.size))
    if None not in ready:
        return tuple(layer for layer in ready if layer is not None)
    cancelled = threading.Event()
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="layer")
    futures: list[Future[Layer]] = []
    try:
        for position, item in enumerate(wanted):
            # Those below are begun before, so waiting for them within the pool always ends.
            job = _Job(store, item, source, progress, cancelled, tuple(futures[:position]), keep_blobs)
            futures.append(pool.submit(job.run))
        return tuple(future.result() for future in _as_they_fail(futures))
    except BaseException:
        cancelled.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def finished(
    work: str,
    unpacked: Unpacked,
    below: Digest | None,
    lower: Iterable[Layer],
    sources: tuple[LayerSource, ...],
    subject: str,
) -> tuple[str, LayerMeta]:
    """Complete an unpacked layer from those below (asked for only if it depends on them): its key and its figures."""
    summary = unpacked.summary
    settled = Settled(True, summary.closed, summary.open)
    key = unpacked.diff_id.hex
    if depends(summary):
        key = dependent_key(below, unpacked.diff_id)
        settled = settle(f"{work}/tree", summary, list(lower), subject)
    return key, LayerMeta(
        diff_id=unpacked.diff_id,
        size=summary.bytes,
        entries=summary.entries,
        whiteouts=summary.whiteouts,
        overlay=summary.overlay,
        rebuildable=summary.rebuildable and settled.exact,
        sources=sources,
        closed=settled.closed,
        open_folders=settled.open,
    )


def _remember(store: Store, layer: Layer, item: Descriptor, source: LayerBytes) -> None:
    """Another place that has the layer, perhaps in another compression; nobody has looked at the bytes there."""
    if source.repository:
        origin = LayerSource(item.digest, item.size, item.media_type, source.repository, verified=False)
        store.remember_source(layer, origin)


def _as_they_fail(futures: list[Future[Layer]]) -> list[Future[Layer]]:
    """The futures once all are done, or the first failure raised as soon as it is known."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    errors = [error for future in done if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, Interrupted)):
        raise error
    return futures


class _Job:
    """One layer on its way into the store."""

    def __init__(
        self,
        store: Store,
        wanted: Wanted,
        source: LayerBytes,
        progress: Progress,
        cancelled: threading.Event,
        below: tuple[Future[Layer], ...],
        keep_blobs: bool,
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._descriptor = wanted.descriptor
        self._source = source
        self._progress = progress
        self._cancelled = cancelled
        self._below = below
        self._keep_blobs = keep_blobs
        self._had_partial = False

    def run(self) -> Layer:
        """Find it, wait for who fetches it, or fetch it."""
        while True:
            key, name = f"layer-{self._wanted.diff_id.hex}", self._wanted.short
            with self._store.flight(key, self._progress, self._is_there, subject=name) as mine:
                if mine:
                    return self._fetch()
            found = find_layer(self._store, self._wanted)
            if found is not None:
                _remember(self._store, found, self._descriptor, self._source)
                self._tell("exists", self._descriptor.size)
                return found

    def _is_there(self) -> bool:
        if self._cancelled.is_set():
            raise Interrupted("the download was interrupted")
        return find_layer(self._store, self._wanted) is not None

    def _fetch(self) -> Layer:
        try:
            return self._attempt()
        except DigestMismatch:
            if not self._had_partial:
                raise
            return self._attempt()  # what an earlier process had left was bad, and is gone now

    def _attempt(self) -> Layer:
        if not self._source.resumable:
            return self._unpack("")
        with self._store.partial(self._descriptor.digest) as partial:
            self._had_partial = os.path.exists(partial) and os.path.getsize(partial) > 0
            return self._unpack(partial)

    def _unpack(self, partial: str) -> Layer:
        """The layer, while its blob's bytes are kept in ``partial``, unless that is empty."""
        from wherry.image.pipeline import unpack

        store, wanted = self._store, self._wanted
        work = store.new_work()
        try:
            unpacked = unpack(
                lambda: self._chunks(partial),
                self._descriptor.size,
                work,
                f"layer {self._descriptor.digest.short}",
                expected=wanted.diff_id,
                cancelled=self._cancelled,
            )
            lower = (future.result() for future in self._below)
            subject = f"layer {self._descriptor.digest.short}"
            key, meta = finished(work, unpacked, wanted.below, lower, self._sources(), subject)
            if partial:
                self._put_away(partial, keep=self._keep_blobs or not meta.rebuildable)
            self._tell("syncing", self._descriptor.size)
            layer = store.publish_layer(work, key, meta)
        except OSError as error:
            store.discard(work)
            raise storage_failure(error, f"layer {self._descriptor.digest.short}", store.path) from error
        except BaseException:
            store.discard(work)
            raise
        self._tell("done", self._descriptor.size)
        return layer

    def _sources(self) -> tuple[LayerSource, ...]:
        if not self._source.repository:
            return ()
        item = self._descriptor
        return (LayerSource(item.digest, item.size, item.media_type, self._source.repository),)

    def _put_away(self, partial: str, *, keep: bool) -> None:
        """Before the sync, so that what is not needed is never written to the disk."""
        if keep:
            if not self._descriptor.digest.is_of_file(partial):
                os.unlink(partial)
                raise DigestMismatch(f"layer {self._descriptor.digest.short} was changed after it came", hint="again")
            self._store.keep_blob(partial, self._descriptor.digest)
            return
        with contextlib.suppress(FileNotFoundError):  # two fetched it at once, which is harmless
            os.unlink(partial)

    def _chunks(self, partial: str) -> Iterable[bytes]:
        """The blob's bytes: first what an earlier process left, then the rest, kept as it comes."""
        hasher = self._descriptor.digest.hasher()
        if not partial:
            yield from self._counted(self._source.read(self._descriptor, 0, hasher), 0)
            return
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            try:
                offset = 0
                while offset < self._descriptor.size and (
                    chunk := file.read(min(1 << 18, self._descriptor.size - offset))
                ):
                    offset += len(chunk)
                    hasher.update(chunk)
                    self._tell("resuming", offset)
                    yield chunk
                file.truncate(offset)
                for chunk in self._counted(self._source.read(self._descriptor, offset, hasher), offset):
                    left = memoryview(chunk)
                    while left:
                        left = left[file.write(left) :]
                    yield chunk
            except DigestMismatch:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial)
                raise

    def _counted(self, chunks: Iterable[bytes], position: int) -> Iterable[bytes]:
        try:
            for chunk in chunks:
                position += len(chunk)
                self._tell(self._source.doing, position)
                yield chunk
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _tell(self, stage: str, current: int) -> None:
        self._progress(Event(self._wanted.short, stage, current, self._descriptor.size))
