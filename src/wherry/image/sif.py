"""SIF, the Singularity Image Format, version 01: a header, a table of descriptors, and the objects that they name.

All numbers are little endian and nothing is aligned (github.com/sylabs/sif, pkg/sif: ``header``, ``rawDescriptor``).
A reader believes nothing: each object lies within the file, behind the header, and none overlaps another.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence

import msgspec

from wherry.base.errors import BrokenArchive, UnsupportedImage

__all__ = [
    "DEFINITION",
    "ENCRYPTED",
    "EXT3",
    "JSON",
    "LABELS",
    "MAGIC",
    "MAGIC_AT",
    "OCI_BLOB",
    "OCI_INDEX",
    "PARTITION",
    "PRIMARY",
    "SQUASHFS",
    "NewObject",
    "Sif",
    "SifObject",
    "architecture_code",
    "place_objects",
    "read_sif",
    "table_extent",
    "write_header",
]

MAGIC, MAGIC_AT = b"SIF_MAGIC\0", 32
LAUNCH = b"#!/usr/bin/env run-singularity\n"

DEFINITION, ENVIRONMENT, LABELS, PARTITION, SIGNATURE, JSON = range(0x4001, 0x4007)
OCI_INDEX, OCI_BLOB = 0x400A, 0x400B

SQUASHFS, EXT3, _ARCHIVE, _RAW, ENCRYPTED = range(1, 6)
_SYSTEM, PRIMARY, _DATA, OVERLAY = range(1, 5)
"""Kinds of file systems, and of partitions: the primary one holds the operating system."""

_ARCHITECTURES = {
    "01": "386",
    "02": "amd64",
    "03": "arm",
    "04": "arm64",
    "05": "ppc64",
    "06": "ppc64le",
    "07": "mips",
    "08": "mipsle",
    "09": "mips64",
    "10": "mips64le",
    "11": "s390x",
    "12": "riscv64",
}

_HEADER = struct.Struct("<32s10s3s3s16sqqqqqqqq")
_DESCRIPTOR = struct.Struct("<iBIIIqqqqqqq128s384s")
_EXTRA = struct.Struct("<ii3s")
_TABLE_AT = 4096
_TABLE_ENTRIES = 48
_MOST_ENTRIES = 1 << 16
_GROUP = 0xF0000001
"""The first group of objects, in which Apptainer puts all that it makes and signs."""

_PAGE = 4096


class SifObject(msgspec.Struct, frozen=True):
    """What a descriptor says: ``offset`` and ``size`` in bytes of the file; ``extra`` depends on ``kind``."""

    kind: int
    number: int
    group: int
    link: int
    offset: int
    size: int
    name: str
    extra: bytes

    @property
    def partition(self) -> tuple[int, int, str]:
        """Of a partition: the kind of file system, the kind of partition, the architecture (Go's name or empty)."""
        system, kind, code = _EXTRA.unpack_from(self.extra)
        return system, kind, _architecture(code)


class Sif(msgspec.Struct, frozen=True):
    """A SIF file; ``created`` in seconds since 1970."""

    architecture: str
    identity: bytes
    created: int
    objects: tuple[SifObject, ...]

    def of_kind(self, kind: int, name: str | None = None) -> tuple[SifObject, ...]:
        return tuple(item for item in self.objects if item.kind == kind and name in (None, item.name))

    def primary(self) -> SifObject | None:
        """The partition with the operating system; a file that marks none may have a single system partition."""
        partitions = self.of_kind(PARTITION)
        for wanted in (PRIMARY, _SYSTEM):
            found = [item for item in partitions if item.partition[1] == wanted]
            if found:
                return found[0]
        return None


class NewObject(msgspec.Struct, frozen=True):
    """An object to be written."""

    kind: int
    size: int
    name: str = ""
    extra: bytes = b""


def read_sif(beginning: bytes, table: bytes, size: int, subject: str) -> Sif:
    """The SIF whose first bytes are ``beginning``; see :func:`table_extent` for ``table``. Pure.

    Raises :class:`BrokenArchive` where it contradicts itself or the file's ``size``.
    """
    fields = _HEADER.unpack(beginning[: _HEADER.size])
    offset, length = table_extent(beginning, size, subject)
    if len(table) < length:
        raise _broken(subject, "it ends within its table of objects")
    objects = tuple(_objects(table[:length]))
    extents = [(0, _HEADER.size, "the header"), (offset, length, "the table of objects")]
    numbers = set()
    for item in objects:
        what = f"object {item.number}"
        if item.number in numbers:
            raise _broken(subject, f"two of its objects have the number {item.number}")
        numbers.add(item.number)
        if item.offset < 0 or item.size < 0 or item.offset + item.size > size:
            raise _broken(
                subject,
                f"{what} has {item.size} bytes from {item.offset} on, and the file has {size}",
                hint="it may be cut: fetch or copy it again",
            )
        if item.size:
            extents.append((item.offset, item.size, what))
    _check_overlaps(extents, subject)
    primaries = [item for item in objects if item.kind == PARTITION and item.partition[1] == PRIMARY]
    if len(primaries) > 1:
        raise _broken(subject, f"it has {len(primaries)} primary partitions")
    return Sif(_architecture(fields[3]), fields[4], fields[5], objects)


def table_extent(beginning: bytes, size: int, subject: str) -> tuple[int, int]:
    """Where the descriptors of the file with these first 128 bytes or more lie: offset and length."""
    if len(beginning) < _HEADER.size:
        raise _broken(subject, "it ends within its header")
    fields = _HEADER.unpack(beginning[: _HEADER.size])
    magic, version, total, offset = fields[1], fields[2], fields[8], fields[9]
    if magic != MAGIC:
        raise _broken(subject, "it does not say SIF_MAGIC where a SIF file does")
    text = version.rstrip(b"\0").decode("ascii", "replace")
    if text > "01":
        raise UnsupportedImage(
            f"'{subject}' cannot be read", why=f"it is a SIF file of version '{text}', known is '01'"
        )
    length = total * _DESCRIPTOR.size
    if not 0 <= total <= _MOST_ENTRIES:
        raise _broken(subject, f"its header tells of {total} objects")
    if offset < _HEADER.size or offset + length > size:
        raise _broken(subject, f"its table of objects is said to lie at {offset}, and the file has {size} bytes")
    return offset, length


def place_objects(objects: Sequence[NewObject]) -> tuple[int, ...]:
    """Where each object goes in a new file, on a page of its own as Apptainer has them."""
    places = []
    end = _TABLE_AT + _TABLE_ENTRIES * _DESCRIPTOR.size
    for item in objects:
        places.append(-(-end // _PAGE) * _PAGE)
        end = places[-1] + item.size
    return tuple(places)


def write_header(objects: Sequence[NewObject], architecture: str, identity: bytes, created: int) -> bytes:
    """Header and table of a file with these objects, at the places of :func:`place_objects`; ``identity``: 16 bytes.

    Raises :class:`UnsupportedImage` for an architecture that SIF has no code for.
    """
    code = architecture_code(architecture)
    start = _TABLE_AT + _TABLE_ENTRIES * _DESCRIPTOR.size
    table, end = b"", start
    for number, (item, place) in enumerate(zip(objects, place_objects(objects), strict=True), 1):
        stored = place + item.size - end
        extra = _EXTRA.pack(SQUASHFS, PRIMARY, code) if item.kind == PARTITION else item.extra
        table += _DESCRIPTOR.pack(
            item.kind, 1, number, _GROUP, 0, place, item.size, stored, created, created, 0, 0, item.name.encode(), extra
        )
        end = place + item.size
    free = _TABLE_ENTRIES - len(objects)
    header = _HEADER.pack(
        LAUNCH, MAGIC, b"01", code, identity, created, created,
        free, _TABLE_ENTRIES, _TABLE_AT, _TABLE_ENTRIES * _DESCRIPTOR.size, start, end - start,
    )  # fmt: skip
    return (header.ljust(_TABLE_AT, b"\0") + table).ljust(start, b"\0")


def architecture_code(architecture: str) -> bytes:
    for code, name in _ARCHITECTURES.items():
        if name == architecture:
            return code.encode()
    raise UnsupportedImage(
        f"a SIF file cannot be made for '{architecture}'",
        why="the format has no code for it",
        hint="--format squashfs",
    )


def _objects(table: bytes) -> Iterable[SifObject]:
    for fields in _DESCRIPTOR.iter_unpack(table):
        kind, used, number, group, link, offset, size = fields[:7]
        name, extra = fields[12], fields[13]
        if used:
            text = name.split(b"\0")[0].decode("utf-8", "replace")
            yield SifObject(kind, number, group, link, offset, size, text, extra)


def _check_overlaps(extents: list[tuple[int, int, str]], subject: str) -> None:
    extents.sort()
    for (offset, size, first), (after, _, second) in itertools.pairwise(extents):
        if offset + size > after:
            raise _broken(subject, f"{first} and {second} overlap")


def _architecture(code: bytes) -> str:
    return _ARCHITECTURES.get(code.rstrip(b"\0").decode("ascii", "replace"), "")


def _broken(subject: str, why: str, hint: str = "") -> BrokenArchive:
    return BrokenArchive(f"'{subject}' is no SIF file that can be used", why=why, hint=hint)
