"""SIF files in registries: OCI artifacts of one layer, as Apptainer and SingularityCE exchange them (``oras://``).

The manifest's configuration is empty, its only layer is the file. Here the file is a blob, and name and record are
those of any image, so that listing, removing and collecting know it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import DigestMismatch, ImageError, NotFound, UnsupportedImage, UsageError, reason
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.faults import storage_failure
from wherry.image.model import OCI_MANIFEST, Descriptor, Manifest, read_manifest
from wherry.image.packed import packed_facts
from wherry.registry import Registry
from wherry.store import ImageRecord, Name, Store

__all__ = ["held_artifact", "pull_artifact", "push_artifact"]

_CONFIG = "application/vnd.sylabs.sif.config.v1+json"
_LAYER = "application/vnd.sylabs.sif.layer.v1.sif"
_LAYERS = (_LAYER, "appliciation/vnd.sylabs.sif.layer.tar")
"""The second one, misspelt, is of Singularity before 3.7."""

_EMPTY = b"{}"
_CHUNK = 1 << 20


def held_artifact(store: Store, reference: Reference) -> str | None:
    """The file that the name leads to, None when it is not here. Contacts nobody."""
    found = store.name(reference)
    if found is None or not store.has_blob(found.digest):
        return None
    try:
        layer = _layer(store.read_blob(found.digest), reference.familiar)
    except UnsupportedImage:
        return None  # a container image has this name
    return store.blob_path(layer.digest)


def pull_artifact(store: Store, registry: Registry, reference: Reference, progress: Progress = silent) -> str:
    """Fetch the file that the reference leads to now, unless it is here, and name it; its path in the store.

    Raises :class:`UnsupportedImage` for what is no SIF file, and the errors of :meth:`Registry.get_manifest`.
    """
    fetched = registry.get_manifest(reference)
    layer = _layer(fetched.data, reference.familiar)
    while store.blob_path(layer.digest) is None:
        with store.flight(
            f"blob-{layer.digest.hex}", progress, lambda: store.has_blob(layer.digest), subject=layer.digest.short
        ) as mine:
            if mine:
                _download(store, registry, reference, layer, progress)
    record = ImageRecord(
        digest=store.put_blob(fetched.data),
        size=layer.size,
        layers=(),
        created=_created(fetched.data),
        pulled=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        blobs=(store.put_blob(_EMPTY), layer.digest),
        reference=str(reference) if reference.digest else "",
    )
    store.put_image_record(record)
    if reference.digest is None:
        store.set_name(reference, Name(fetched.digest))
    progress(Event(reference.familiar, "done", layer.size, layer.size, str(fetched.digest)))
    path = store.blob_path(layer.digest)
    if path is None:
        raise NotFound(f"'{reference.familiar}' was removed while it was pulled", hint="pull it again")
    return path


def push_artifact(registry: Registry, path: str, reference: Reference, progress: Progress = silent) -> Digest:
    """Send a SIF file; the digest of its manifest. What the registry has already is not sent again.

    Raises :class:`UsageError` for a file of another form.
    """
    if packed_facts(path).form != "sif":
        raise UsageError(f"'{path}' cannot be pushed", why="registries hold SIF files so", hint="wherry pack makes one")
    layer = _described(path, progress)
    config = Digest.of(_EMPTY)
    registry.push_blob(reference, config, len(_EMPTY), lambda: [_EMPTY])
    how = registry.push_blob(reference, layer.digest, layer.size, lambda: _chunks(path, layer, progress))
    progress(Event(layer.digest.short, "exists" if how == "exists" else "done", layer.size, layer.size))
    return registry.put_manifest(reference, OCI_MANIFEST, _manifest(config, layer, os.path.basename(path)))


def _layer(data: bytes, subject: str) -> Descriptor:
    manifest: Manifest = read_manifest(data, OCI_MANIFEST, subject)
    if len(manifest.layers) != 1 or manifest.layers[0].media_type not in _LAYERS:
        raise UnsupportedImage(
            f"'{subject}' is no SIF file",
            why=f"it is of the type '{manifest.artifact_type or manifest.config.media_type}'",
            hint=f"a container image is run without 'oras://': wherry run {subject}",
        )
    return manifest.layers[0]


def _created(data: bytes) -> str:
    return read_manifest(data, OCI_MANIFEST, "").annotations.get("org.opencontainers.image.created", "")


def _download(store: Store, registry: Registry, reference: Reference, layer: Descriptor, progress: Progress) -> None:
    """The blob into the store; what an earlier process left is gone on with."""
    store.require_space(layer.size, f"'{reference.familiar}'")
    again = os.path.exists(store.partial_path(layer.digest))
    try:
        _bring(store, registry, reference, layer, progress)
    except DigestMismatch:
        if not again:
            raise
        _bring(store, registry, reference, layer, progress)  # what was left was bad, and is gone now


def _bring(store: Store, registry: Registry, reference: Reference, layer: Descriptor, progress: Progress) -> None:
    with store.partial(layer.digest) as partial:
        _fetch(store, registry, reference, layer, partial, progress)
        if not layer.digest.is_of_file(partial):
            os.unlink(partial)
            raise DigestMismatch(f"'{reference.familiar}' was changed after it came", hint="pull it again")
        store.keep_blob(partial, layer.digest)


def _fetch(
    store: Store, registry: Registry, reference: Reference, layer: Descriptor, partial: str, progress: Progress
) -> None:
    hasher = layer.digest.hasher()
    try:
        with open(partial, "a+b", buffering=0) as file:
            offset = _hashed(file.fileno(), hasher, layer.size)
            file.truncate(offset)
            with registry.open_blob(reference, layer.digest, layer.size, offset=offset, hasher=hasher) as stream:
                for chunk in stream:
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    offset += len(chunk)
                    progress(Event(layer.digest.short, "pulling", offset, layer.size))
    except DigestMismatch:
        os.unlink(partial)
        raise
    except OSError as error:
        raise storage_failure(error, reference.familiar, store.path) from error


def _hashed(file: int, hasher: Hasher, most: int) -> int:
    """Read what is there into the hash; how many bytes that is."""
    offset = 0
    while offset < most and (chunk := os.pread(file, min(_CHUNK, most - offset), offset)):
        hasher.update(chunk)
        offset += len(chunk)
    return offset


def _described(path: str, progress: Progress) -> Descriptor:
    hasher, size = Hasher(), 0
    try:
        with open(path, "rb", buffering=0) as file:
            total = os.fstat(file.fileno()).st_size
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
                progress(Event(os.path.basename(path), "reading", size, total))
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from error
    return Descriptor(_LAYER, hasher.digest(), size)


def _chunks(path: str, layer: Descriptor, progress: Progress) -> Iterator[bytes]:
    done = 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            done += len(chunk)
            progress(Event(layer.digest.short, "pushing", done, layer.size))
            yield chunk


def _manifest(config: Digest, layer: Descriptor, title: str) -> bytes:
    """As Apptainer writes it, but for the time: the same file gives the same manifest."""
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": str(config), "size": len(_EMPTY)},
            "layers": [
                {
                    "mediaType": layer.media_type,
                    "digest": str(layer.digest),
                    "size": layer.size,
                    "annotations": {"org.opencontainers.image.title": title},
                }
            ],
        }
    )
