"""A packed image into the store: its file system becomes one layer. For ``load``, and where nothing can be mounted.

It goes the way of every layer, through ``wherry-unpack``, which trusts no entry; so owners, devices and what else a
user cannot have on disk are in the layer's table, and the image can be pushed and saved again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import ImageError, NotFound, reason
from wherry.base.progress import Event, Progress, silent
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.local import Image, open_by_digest
from wherry.image.model import OCI_CONFIG, OCI_MANIFEST, read_manifest
from wherry.image.packed import PackedImage, packed_facts
from wherry.image.pipeline import unpack
from wherry.image.platforms import here
from wherry.image.recording import record_image
from wherry.image.squashtar import tar_of
from wherry.image.squashtree import Squashfs
from wherry.store import LayerMeta, Store

__all__ = ["unpack_packed"]

_TAR = "application/vnd.oci.image.layer.v1.tar"
_RATIO = 3.2
"""How much larger contents mostly are than what they were packed to."""


def unpack_packed(store: Store, path: str, progress: Progress = silent, called: str = "") -> Image:
    """The image in a SIF or squashfs file, unpacked once: it is known again by the file's digest.

    Its reference is the path, or what else the file is ``called``, with that digest. Raises as
    :func:`wherry.image.packed_facts`, and :class:`HostileArchive`, :class:`StoreFull`, :class:`HostLacks` where the
    machine cannot decompress it.
    """
    path = os.path.abspath(path)
    facts = packed_facts(path)
    try:
        with open(path, "rb", buffering=0) as file, threads_needed(f"unpack '{path}'"):
            return _unpack(store, file.fileno(), facts, progress, called or path)
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from error


def _unpack(store: Store, file: int, facts: PackedImage, progress: Progress, called: str) -> Image:
    digest, stamp = _digest(file, facts.path, progress), _stamp(file)
    while True:
        found = _held(store, digest)
        if found is not None:
            return found
        key, name = f"packed-{digest.hex}", os.path.basename(facts.path)
        with store.flight(key, progress, lambda: _held(store, digest) is not None, subject=name) as mine:
            if mine:
                return _bring(store, file, facts, digest, stamp, progress, called)


def _held(store: Store, digest: Digest) -> Image | None:
    known = store.image_of_file(digest)
    if known is None:
        return None
    try:
        return open_by_digest(store, *known)
    except NotFound:
        return None


def _bring(
    store: Store,
    file: int,
    facts: PackedImage,
    digest: Digest,
    stamp: tuple[int, ...],
    progress: Progress,
    called: str,
) -> Image:
    reference = f"{called}@{digest}"
    assert facts.superblock is not None
    store.require_space(int(facts.size * _RATIO), f"the image '{facts.path}'")
    squashfs = Squashfs(file, facts.offset, facts.superblock, facts.path)
    subject = os.path.basename(facts.path)
    source = _Source(squashfs, facts, progress)
    work = store.new_work()
    try:
        done = unpack(source.chunks, facts.size, work, subject, expected=None, cancelled=threading.Event())
        if _stamp(file) != stamp:
            raise ImageError(f"'{facts.path}' cannot be unpacked", why="it was changed meanwhile", hint="try again")
        summary = done.summary
        meta = LayerMeta(
            diff_id=done.diff_id,
            size=summary.bytes,
            entries=summary.entries,
            whiteouts=summary.whiteouts,
            overlay=summary.overlay,
            rebuildable=summary.rebuildable,
            closed=summary.closed,
            open_folders=summary.open,
        )
        progress(Event(subject, "syncing", source.size, source.size))
        layer = store.publish_layer(work, done.diff_id.hex, meta)
    except OSError as error:
        store.discard(work)
        raise storage_failure(error, facts.path, store.path) from error
    except BaseException:
        store.discard(work)
        raise
    config = _config(facts, done.diff_id)
    data = _manifest(config, done.diff_id, source.size)
    manifest = read_manifest(data, OCI_MANIFEST, facts.path)
    progress(Event(subject, "done", source.size, source.size))
    image = record_image(store, reference, (data, None), manifest, config, (layer,))
    store.remember_file(digest, image.digest, reference)
    return image


class _Source:
    """The file system as a tar, counted."""

    def __init__(self, squashfs: Squashfs, facts: PackedImage, progress: Progress) -> None:
        self._squashfs = squashfs
        self._facts = facts
        self._progress = progress
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        name = os.path.basename(self._facts.path)
        for chunk in tar_of(self._squashfs, self._facts.added):
            self.size += len(chunk)
            self._progress(Event(name, "unpacking", self.size))
            yield chunk


def _config(facts: PackedImage, diff_id: Digest) -> bytes:
    """The image's own configuration with its only layer; steps of its making stay, as history without layers."""
    data = facts.config_data
    document = msgspec.json.decode(data, type=dict[str, object]) if data else _made_up(facts)
    document["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id)]}
    steps = document.get("history")
    history = (
        [{**step, "empty_layer": True} for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    )
    document["history"] = [*history, {"created_by": "wherry load", "comment": "all layers in one"}]
    return msgspec.json.encode(document)


def _made_up(facts: PackedImage) -> dict[str, object]:
    config = facts.config.config
    fields = {
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Labels": {**facts.labels},
    }
    return {
        "architecture": facts.architecture or here().architecture,
        "os": "linux",
        "config": {name: value for name, value in fields.items() if value},
    }


def _manifest(config: bytes, diff_id: Digest, size: int) -> bytes:
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [{"mediaType": _TAR, "digest": str(diff_id), "size": size}],
        }
    )


def _digest(file: int, path: str, progress: Progress) -> Digest:
    hasher = Hasher()
    size, done = os.fstat(file).st_size, 0
    while chunk := os.pread(file, 4 << 20, done):
        hasher.update(chunk)
        done += len(chunk)
        progress(Event(os.path.basename(path), "reading", done, size))
    return hasher.digest()


def _stamp(file: int) -> tuple[int, ...]:
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
