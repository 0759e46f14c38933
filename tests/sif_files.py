"""SIF and squashfs files for tests, made by hand from the description of the format, without Wherry's own writer."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENTRY", "HEADER", "Object", "partition", "sif_of", "squashfs_of", "tar_with"]

HEADER = struct.Struct("<32s10s3s3s16sqqqqqqqq")  # 128 bytes
ENTRY = struct.Struct("<iBIIIqqqqqqq128s384s")  # 585 bytes
EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Object:
    """An object of a SIF file; ``offset`` and ``size`` are what its descriptor claims, if that is to be a lie."""

    kind: int
    data: bytes
    name: bytes = b""
    extra: bytes = b""
    offset: int | None = None
    size: int | None = None
    number: int | None = None


def partition(data: bytes, *, system: int = 1, kind: int = 2, arch: bytes = b"02", **more: int) -> Object:
    """A partition; by default the primary one, with a squashfs, for amd64."""
    return Object(0x4004, data, extra=struct.pack("<ii3s", system, kind, arch), **more)


def sif_of(
    objects: Sequence[Object],
    *,
    launch: bytes = b"#!/usr/bin/env run-singularity\n",
    magic: bytes = b"SIF_MAGIC",
    version: bytes = b"01",
    arch: bytes = b"02",
    capacity: int = 48,
    table_at: int = 4096,
    total: int | None = None,
    page: int = 4096,
) -> bytes:
    """The file, laid out as Apptainer does: a table of 48 at 4096, each object on a page."""
    file = bytearray(table_at + capacity * ENTRY.size)
    start = len(file)
    for place, item in enumerate(objects):
        file += bytes(-len(file) % page)
        at, size = len(file), len(item.data)
        file += item.data
        entry = ENTRY.pack(
            item.kind, 1, item.number if item.number is not None else place + 1, 0xF0000001, 0,
            at if item.offset is None else item.offset, size if item.size is None else item.size, size,
            EPOCH, EPOCH, 0, 0, item.name, item.extra,
        )  # fmt: skip
        file[table_at + place * ENTRY.size : table_at + (place + 1) * ENTRY.size] = entry
    head = HEADER.pack(
        launch, magic, version, arch, bytes(range(16)), EPOCH, EPOCH,
        capacity - len(objects), capacity if total is None else total, table_at, capacity * ENTRY.size,
        start, len(file) - start,
    )  # fmt: skip
    file[: HEADER.size] = head
    return bytes(file)


def tar_with(files: Mapping[str, bytes | str], executable: Sequence[str] = ()) -> bytes:
    """A tar of files (bytes) and symbolic links (text)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = EPOCH
            info.mode = 0o755 if name in executable else 0o644
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def squashfs_of(path: Path, tar: bytes, *options: str, compression: str = "gzip") -> Path:
    """A squashfs with what a tar holds."""
    words = ["mksquashfs", "-", str(path), "-tar", "-noappend", "-quiet", "-no-progress", "-comp", compression]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}  # of the directories that the tar does not name
    subprocess.run([*words, *options], input=tar, check=True, capture_output=True, env=environment)
    return path
