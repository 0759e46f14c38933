"""What a file or folder is, told by its content."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import time
from pathlib import Path

import pytest
import zstandard

from layers import Item, directory, file, symlink, tar_of
from wherry.image import form_of
from wherry.image.forms import Form, form_of_bytes, form_of_names, tar_names

ROOT = tar_of([directory("./"), directory("./etc"), file("./etc/passwd", b"x" * 700)])
ARCHIVE = tar_of([directory("blobs"), directory("blobs/sha256"), file("oci-layout", b"{}")])
OTHER = tar_of([file("results/one.csv", b"1,2")])


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({"oci-layout", "index.json", "blobs"}, "oci"),
        ({"manifest.json", "version", "ab" * 32}, "dir"),
        ({"manifest.json", "repositories"}, "archive"),
        ({"bin", "etc"}, "root"),
        ({"usr", "sbin"}, "root"),
        ({"index.json"}, ""),
        ({"photos"}, ""),
        (set(), ""),
    ],
)
def test_a_folder_is_known_by_its_names(names: set[str], kind: str) -> None:
    found = form_of_names(names)
    assert found.kind == kind and bool(found.looks) == (not kind)


@pytest.mark.parametrize(
    ("tar", "kind"),
    [(ROOT, "root-tar"), (ARCHIVE, "archive"), (OTHER, ""), (tar_of([file("manifest.json")]), "archive")],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_tar_is_known_in_each_compression(tmp_path: Path, tar: bytes, kind: str, pack: type[bytes]) -> None:
    (tmp_path / "image.jpg").write_bytes(pack(tar))
    assert form_of(str(tmp_path / "image.jpg")).kind == kind


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_each_dialect(form: int) -> None:
    items = [file("a/" + "b" * 60 + "/" + "c" * 80, b"x" * 513), symlink("s", "t"), Item("d", tarfile.DIRTYPE)]
    names = list(tar_names(tar_of(items, form)))
    assert names[1:] == [("s", False), ("d", True)]
    assert form == tarfile.USTAR_FORMAT or names[0] == (items[0].name, False)


def test_packed_files_are_known() -> None:
    assert form_of_bytes(b"hsqs" + bytes(92)).kind == "squashfs"
    launch = b"#!/usr/bin/env run-singularity\n"
    assert form_of_bytes(launch + b"hsqs" + bytes(92)).kind == "squashfs"
    assert form_of_bytes(launch.ljust(32, b"\0") + b"SIF_MAGIC\0" + bytes(99)).kind == "sif"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"<html><title>503", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"/annex/objects/SHA256E-s1", "git-annex"),
        (b'{"errors": []}', "JSON"),
        (b"# syntax=docker/dockerfile:1\nFROM debian:12\n", "Dockerfile"),
        (b"Bootstrap: docker\nFrom: debian\n", "definition file"),
        (b"\x7fELF\x02", "program"),
        (b"PK\x03\x04....", "zip"),
        (b"#!/bin/sh\n", "script"),
        (b"hello", "text"),
        (b"\0\1\2", "unknown"),
        (bytes(1080) + b"\x53\xef" + bytes(400), "ext file system"),
        (OTHER, "begins with 'results/one.csv'"),
    ],
)
def test_what_is_no_image_is_called_what_it_looks_like(data: bytes, words: str) -> None:
    found = form_of_bytes(data)
    assert found.kind == "" and words in found.looks


def test_compressed_text_is_no_archive() -> None:
    assert form_of_bytes(gzip.compress(b"x"), b"x") == Form("", "gzip-compressed data, and not of a tar archive")


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    assert form_of(str(tmp_path / "pipe")).looks == "a device, pipe or socket"


def headers(*fields: tuple[bytes, bytes, bytes]) -> bytes:
    """Tar headers of a name, a size and a kind, each with its right checksum."""
    data = b""
    for name, size, kind in fields:
        block = bytearray(512)
        block[: len(name)], block[124 : 124 + len(size)], block[156:157] = name, size, kind
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        data += bytes(block)
    return data


@pytest.mark.parametrize("size", [b"-1000", b"-0000001000 ", b"+17", b"1_0", b"0o17", b"\xff" * 12])
def test_a_size_that_is_none_ends_the_reading(size: bytes) -> None:
    """One below nothing would lead back to its own header for ever."""
    assert list(tar_names(headers((b"bin/sh", size, b"0")))) == []


def pax(*records: bytes) -> bytes:
    """An extended header of these records, then a file 'short'."""
    content = b"".join(records)
    block = headers((b"PaxHeaders/x", b"%o" % len(content), b"x"))
    return block + content + bytes(-len(content) % 512) + headers((b"short", b"0", b"0"))


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ([b"17 path=bin/long\n"], "bin/long"),
        ([b"11 mtime=1\n", b"17 path=bin/long\n"], "bin/long"),
        ([b"21 comment=8 path=a/\n", b"17 path=bin/long\n"], "bin/long"),
        ([b"21 comment=8 path=a/\n"], "short"),
        ([b"0 path=bin/long\n"], "short"),
        ([b"x"], "short"),
        ([], "short"),
    ],
)
def test_a_long_name_is_taken_from_the_record_that_has_it(records: list[bytes], name: str) -> None:
    assert [found for found, _ in tar_names(pax(*records))] == [name]


def test_an_extended_header_of_digits_is_read_in_no_time() -> None:
    started = time.monotonic()
    assert [found for found, _ in tar_names(pax(b"1" * 60_000))] == ["short"]
    assert time.monotonic() - started < 2
