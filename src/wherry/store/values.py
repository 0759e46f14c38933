"""What the store keeps, as values, and their form on disk (JSON with digests as text)."""

# Without 'from __future__ import annotations': msgspec would compile each annotation's text, in every start.
import msgspec

from wherry.base.digest import Digest

__all__ = ["MERGED", "ImageRecord", "Layer", "LayerMeta", "LayerSource", "Lease", "Name", "disk_bytes"]

DAY = 86400.0
"""Seconds after which what nobody can be asked about counts as left over."""

MERGED = 400
"""The flattened tree of an image's lowest layers stays with it where these are a multiple of so many."""

_BLOCK = 4096


class LayerSource(msgspec.Struct, frozen=True):
    """Where a layer's compressed bytes are: ``size`` in bytes, ``repository`` as ``registry/repository``.

    ``verified``: such bytes were unpacked to the layer, or made from it, here; else an image says that they are it.
    """

    digest: Digest
    size: int
    media_type: str
    repository: str
    verified: bool = True


class LayerMeta(msgspec.Struct, frozen=True):
    """What is known of a layer without walking its tree.

    ``size`` is the bytes of its files' contents, ``entries`` how many there are, ``whiteouts`` how many of them hide
    something below. ``overlay``: the tree carries its whiteouts and opaque marks in the overlay's form.
    ``rebuildable``: tree and table give back the exact tar stream of ``diff_id``.
    ``closed``: nothing in the tree can be written by others, and something there could be in the archive (which the
    table says); of that, ``open_folders`` are the directories that all may write, with their modes. ``tar_size`` is the
    bytes of its tar, 0 where nobody counted them.
    """

    diff_id: Digest
    size: int
    entries: int
    whiteouts: int
    overlay: bool
    rebuildable: bool
    sources: tuple[LayerSource, ...] = ()
    closed: bool = False
    open_folders: tuple[tuple[str, int], ...] = ()
    tar_size: int = 0


class Layer(msgspec.Struct, frozen=True):
    """A complete layer: ``tree`` is the folder to mount, ``table`` the file with what a tree cannot carry."""

    key: str
    tree: str
    table: str
    meta: LayerMeta


class Name(msgspec.Struct, frozen=True):
    """What a name leads to: the platform's manifest, the index that it was chosen from, the platform asked for."""

    digest: Digest
    index: Digest | None = None
    platform: str = ""


class ImageRecord(msgspec.Struct, frozen=True):
    """What belongs to an image: nothing named here is removed while the record exists.

    ``size`` in bytes of contents; ``layers`` are layer keys, bottom first; ``created`` and ``pulled`` are RFC 3339
    times; ``blobs`` are the blobs needed besides the manifest (config, index); ``reference`` is set when it was pulled
    by digest: such an image has no name, and is not taken for a left-over.
    """

    digest: Digest
    size: int
    layers: tuple[str, ...]
    created: str = ""
    pulled: str = ""
    blobs: tuple[Digest, ...] = ()
    reference: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A node (and session on it) that may be using an image; ``renewed`` in seconds of the file system's clock."""

    node: str
    boot_id: str
    renewed: float
    path: str
    session: str = ""


def disk_bytes(meta: LayerMeta) -> int:
    """About what the layer takes on disk: its contents, and half a block for each entry."""
    return meta.size + meta.entries * _BLOCK // 2


class _SourceOnDisk(msgspec.Struct):
    digest: str
    size: int
    media_type: str
    repository: str


class _MetaOnDisk(msgspec.Struct):
    diff_id: str
    size: int
    entries: int
    whiteouts: int
    overlay: bool
    rebuildable: bool
    sources: list[_SourceOnDisk] = []
    closed: bool = False
    open_folders: list[tuple[str, int]] = []
    tar_size: int = 0


class _RecordOnDisk(msgspec.Struct):
    size: int
    layers: list[str]
    created: str = ""
    pulled: str = ""
    blobs: list[str] = []
    reference: str = ""


def encode_meta(meta: LayerMeta) -> bytes:
    sources = [_SourceOnDisk(str(s.digest), s.size, s.media_type, s.repository) for s in meta.sources]
    return msgspec.json.encode(
        _MetaOnDisk(
            str(meta.diff_id),
            meta.size,
            meta.entries,
            meta.whiteouts,
            meta.overlay,
            meta.rebuildable,
            sources,
            meta.closed,
            [(path, mode) for path, mode in meta.open_folders if path.isprintable()],  # else it may be no text
            meta.tar_size,
        )
    )


def decode_meta(data: bytes) -> LayerMeta:
    """Raise :class:`msgspec.DecodeError` (a ``ValueError``) or :class:`InvalidName` when it is none."""
    found = msgspec.json.decode(data, type=_MetaOnDisk)
    sources = tuple(LayerSource(Digest.parse(s.digest), s.size, s.media_type, s.repository) for s in found.sources)
    diff_id = Digest.parse(found.diff_id)
    return LayerMeta(
        diff_id,
        found.size,
        found.entries,
        found.whiteouts,
        found.overlay,
        found.rebuildable,
        sources,
        found.closed,
        tuple(found.open_folders),
        found.tar_size,
    )


def encode_record(record: ImageRecord) -> bytes:
    blobs = [str(blob) for blob in record.blobs]
    return msgspec.json.encode(
        _RecordOnDisk(record.size, list(record.layers), record.created, record.pulled, blobs, record.reference)
    )


def decode_record(digest: Digest, data: bytes) -> ImageRecord:
    """Raise :class:`msgspec.DecodeError` or :class:`InvalidName` when it is none."""
    found = msgspec.json.decode(data, type=_RecordOnDisk)
    blobs = tuple(Digest.parse(blob) for blob in found.blobs)
    return ImageRecord(digest, found.size, tuple(found.layers), found.created, found.pulled, blobs, found.reference)
