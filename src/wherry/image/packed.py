"""Images packed into one file: a squashfs, alone or in a SIF file, and what is known of them without mounting them.

Those that ``wherry pack`` made carry their OCI configuration in a note: an object of the SIF file, or behind the file
system. Of others it is read from where Apptainer keeps it (:mod:`wherry.image.apptainer`).
"""

from __future__ import annotations

import os
import stat
import struct

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, HostLacks, ImageError, NotFound, UnsupportedImage, reason
from wherry.image import apptainer, sif
from wherry.image.model import (
    OCI_CONFIG,
    OCI_MANIFEST,
    ContainerConfig,
    Descriptor,
    ImageConfig,
    Manifest,
    RootFilesystem,
    read_config,
)
from wherry.image.squashfs import MAGIC, SIZE, Superblock, read_superblock

__all__ = ["NOTE_NAME", "PAGE", "Note", "PackedImage", "encode_note", "is_packed", "packed_facts"]

NOTE_NAME = "wherry.json"
_NOTE = struct.Struct("<16sQ")
NOTE_MAGIC = b"wherry packed 1\n"
PAGE = 4096
_LARGEST_NOTE = 16 << 20
_BEGINNING = 4096
_SUPERBLOCK_IN_EXT = 1024 + 56
_NONE = Digest("sha256", "0" * 64)


class Note(msgspec.Struct, frozen=True):
    """What ``wherry pack`` adds: the image's configuration, verbatim, and what in the file system is not the image's
    own but there for Apptainer, as paths below its root."""

    config: str
    added: tuple[str, ...] = ()


class PackedImage(msgspec.Struct, frozen=True):
    """A file that holds an image's file system.

    ``form`` is ``sif`` or ``squashfs``; ``offset`` and ``size`` are bytes in the file; ``compression`` one of
    ``gzip lzma lzo xz lz4 zstd``; ``architecture`` has Go's name, empty where the file does not say. ``config`` has no
    diff ids: those of the layers that the image once had do not belong to this file. ``config_data`` is the OCI
    configuration as it was packed, empty where the file has none; ``added`` is of :class:`Note`.
    """

    path: str
    form: str
    offset: int
    size: int
    compression: str
    block_size: int
    inodes: int
    architecture: str
    labels: dict[str, str]
    definition: str
    config: ImageConfig
    config_data: bytes = b""
    added: tuple[str, ...] = ()
    superblock: Superblock | None = None


def is_packed(path: str) -> bool:
    """Whether a file is a SIF or a squashfs by its content. Cheap; False for what cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb", buffering=0) as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return False
    return _is_sif(beginning) or beginning[_launch_line(beginning) :][:4] in (MAGIC, b"sqsh")


def packed_facts(path: str) -> PackedImage:
    """What the file says of the image in it; nothing is mounted or unpacked, and only its tables are read.

    Raises :class:`NotFound`, :class:`BrokenArchive`, and :class:`UnsupportedImage` for what is no squashfs: encrypted
    images, ext3, several layers.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return _facts(file.fileno(), path)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file '{path}'") from error
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from error


def _facts(file: int, path: str) -> PackedImage:
    size = os.fstat(file).st_size
    beginning = os.pread(file, _BEGINNING, 0)
    if _is_sif(beginning):
        return _sif_facts(file, path, size, beginning)
    offset = _launch_line(beginning)
    if os.pread(file, 2, offset + _SUPERBLOCK_IN_EXT) == b"\x53\xef":
        raise _unsupported(path, "it holds an ext3 file system, as Singularity 2 made them")
    superblock = read_superblock(os.pread(file, SIZE, offset), size - offset, path)
    note = note_of(file, offset, superblock.size, size)
    return _described(file, path, "squashfs", offset, superblock, "", note)


def _sif_facts(file: int, path: str, size: int, beginning: bytes) -> PackedImage:
    offset, length = sif.table_extent(beginning, size, path)
    found = sif.read_sif(beginning, os.pread(file, length, offset), size, path)
    if found.of_kind(sif.OCI_INDEX):
        from wherry.image.ocisif import layer_and_config

        item, data = layer_and_config(lambda each: _read(file, each), found, path)
        note: Note | None = Note(data.decode(errors="replace"))
        architecture = ""
    else:
        item = _partition(found, path)
        architecture = item.partition[2] or found.architecture
        note = _sif_note(file, found, path)
    superblock = read_superblock(os.pread(file, SIZE, item.offset), item.size, path)
    facts = _described(file, path, "sif", item.offset, superblock, architecture, note)
    shown = _sif_labels(file, found)
    return msgspec.structs.replace(
        facts,
        labels={**facts.labels, **shown} if note else facts.labels or shown,
        definition=_text(file, found, sif.DEFINITION) or facts.definition,
    )


def _partition(found: sif.Sif, path: str) -> sif.SifObject:
    item = found.primary()
    if item is None:
        raise _unsupported(path, "it has no partition with an operating system: it is a SIF file of something else")
    kind = item.partition[0]
    if kind == sif.ENCRYPTED:
        raise _unsupported(path, "its file system is encrypted", "decrypt it with 'apptainer build', which has the key")
    if kind != sif.SQUASHFS:
        name = "an ext3 file system" if kind == sif.EXT3 else f"a file system of the kind {kind}"
        raise _unsupported(path, f"it holds {name}")
    over = [each.number for each in found.of_kind(sif.PARTITION) if each.partition[1] == sif.OVERLAY]
    if over:
        raise _unsupported(
            path,
            "it holds an overlay, whose files would be missing",
            f"Apptainer's own 'sif del {over[0]} COPY.sif' takes it out of a copy, with what was written there",
        )
    if not item.size:
        raise BrokenArchive(f"'{path}' is no SIF file that can be used", why="its partition is empty")
    return item


def _described(
    file: int, path: str, form: str, offset: int, superblock: Superblock, architecture: str, note: Note | None
) -> PackedImage:
    labels: dict[str, str] = {}
    text = ""
    data = note.config.encode() if note else b""
    if note is not None:
        config = _config(data, path)
        labels = config.config.labels
    else:
        config = ImageConfig(architecture, "linux", ContainerConfig(cmd=("/bin/sh",)), RootFilesystem("layers", ()))
        try:
            files = _SquashfsFiles(file, offset, superblock, path)
            container = apptainer.container_config(files)
            config = msgspec.structs.replace(config, config=container)
            labels, text = container.labels, apptainer.definition(files)
        except HostLacks:  # who mounts it may be able to read what this process cannot decompress
            pass
    return PackedImage(
        path=path,
        form=form,
        offset=offset,
        size=superblock.size,
        compression=superblock.compression,
        block_size=superblock.block_size,
        inodes=superblock.inodes,
        architecture=architecture or config.architecture,
        labels=labels,
        definition=text,
        config=msgspec.structs.replace(config, architecture=config.architecture or architecture),
        config_data=data,
        added=note.added if note else (),
        superblock=superblock,
    )


def _config(data: bytes, path: str) -> ImageConfig:
    """The configuration without the layers that the image once had."""
    none = Descriptor(OCI_CONFIG, _NONE, 0)
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"the configuration of '{path}' is malformed", why=str(error)) from None
    fields["rootfs"] = msgspec.Raw(b'{"type":"layers","diff_ids":[]}')
    return read_config(msgspec.json.encode(fields), Manifest(OCI_MANIFEST, none, ()), path)


def note_of(file: int, offset: int, size: int, end: int) -> Note | None:
    """The note behind a squashfs, if there is one; ``end`` is where the file ends."""
    at = offset + -(-size // PAGE) * PAGE
    head = os.pread(file, _NOTE.size, at)
    if len(head) < _NOTE.size:
        return None
    magic, length = _NOTE.unpack(head)
    if magic != NOTE_MAGIC or length > min(end - at - _NOTE.size, _LARGEST_NOTE):
        return None
    return _decode_note(os.pread(file, length, at + _NOTE.size))


def encode_note(note: Note) -> bytes:
    """As it stands behind a squashfs, which ends on a page."""
    data = msgspec.json.encode(note)
    whole = _NOTE.pack(NOTE_MAGIC, len(data)) + data
    return whole + bytes(-len(whole) % PAGE)


def _decode_note(data: bytes) -> Note | None:
    try:
        return msgspec.json.decode(data, type=Note)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _sif_note(file: int, found: sif.Sif, path: str) -> Note | None:
    for item in found.of_kind(sif.JSON, NOTE_NAME):
        return _decode_note(_read(file, item))
    return None


def _sif_labels(file: int, found: sif.Sif) -> dict[str, str]:
    for item in found.of_kind(sif.LABELS):
        return apptainer.parse_labels(_read(file, item))
    return {}


def _text(file: int, found: sif.Sif, kind: int) -> str:
    for item in found.of_kind(kind):
        return _read(file, item).decode(errors="replace")
    return ""


def _read(file: int, item: sif.SifObject) -> bytes:
    """A small object, whole; of a larger one its beginning."""
    return os.pread(file, min(item.size, _LARGEST_NOTE), item.offset)


class _SquashfsFiles:
    """The files of a squashfs, as :mod:`wherry.image.apptainer` asks for them."""

    def __init__(self, file: int, offset: int, superblock: Superblock, path: str) -> None:
        from wherry.image.squashtree import Squashfs

        self._tree = Squashfs(file, offset, superblock, path)

    def read(self, path: str) -> bytes | None:
        found = self._tree.find(path)
        if found is None or not stat.S_ISREG(found.mode):
            return None
        data = b""
        for chunk in self._tree.content(found):
            data += chunk
            if len(data) >= 1 << 20:
                break
        return data[: 1 << 20]

    def executable(self, path: str) -> bool:
        found = self._tree.find(path)
        return found is not None and stat.S_ISREG(found.mode) and bool(found.mode & 0o111)


def _is_sif(beginning: bytes) -> bool:
    return beginning[sif.MAGIC_AT : sif.MAGIC_AT + len(sif.MAGIC)] == sif.MAGIC


def _launch_line(beginning: bytes) -> int:
    """The length of the line by which images of Singularity 2 say what runs them, 0 without one."""
    if not beginning.startswith(b"#!"):
        return 0
    return beginning.find(b"\n", 0, 256) + 1


def _unsupported(path: str, why: str, hint: str = "") -> UnsupportedImage:
    return UnsupportedImage(f"'{path}' cannot be run", why=why, hint=hint)
