"""Reading and writing SIF headers: what the format says, and that nothing in a file is believed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sif_files import ENTRY, HEADER, Object, partition, sif_of
from wherry.base.errors import BrokenArchive, UnsupportedImage, WherryError
from wherry.image import sif

HUGE = 1 << 62


def read(data: bytes) -> sif.Sif:
    offset, length = sif.table_extent(data[:4096], len(data), "it")
    return sif.read_sif(data[:4096], data[offset : offset + length], len(data), "it")


def test_the_sizes_are_those_of_the_format() -> None:
    assert (HEADER.size, ENTRY.size) == (128, 585)


def test_what_apptainer_writes_is_read() -> None:
    objects = [Object(0x4001, b"bootstrap: docker\n"), Object(0x4006, b"{}", b"oci-config.json"), partition(b"hsqs")]
    found = read(sif_of(objects))
    assert found.architecture == "amd64"
    assert found.created == 1_700_000_000
    assert [(item.kind, item.size, item.name) for item in found.objects] == [
        (sif.DEFINITION, 18, ""),
        (sif.JSON, 2, "oci-config.json"),
        (sif.PARTITION, 4, ""),
    ]
    primary = found.primary()
    assert primary is not None
    assert primary.partition == (sif.SQUASHFS, sif.PRIMARY, "amd64")
    assert primary.offset % 4096 == 0


def test_a_small_table_right_behind_the_header_is_read() -> None:
    found = read(sif_of([partition(b"x")], capacity=1, table_at=128, page=1))
    assert found.objects[0].offset == 128 + 585


def test_objects_that_were_deleted_are_passed_over() -> None:
    data = bytearray(sif_of([Object(0x4001, b"x"), partition(b"y")]))
    data[4096 + 4] = 0
    assert [item.kind for item in read(bytes(data)).objects] == [sif.PARTITION]


@pytest.mark.parametrize(
    ("code", "name"),
    [(b"01", "386"), (b"02", "amd64"), (b"04", "arm64"), (b"06", "ppc64le"), (b"11", "s390x"), (b"12", "riscv64")],
)
def test_architectures_have_gos_names(code: bytes, name: str) -> None:
    found = read(sif_of([partition(b"x", arch=code)], arch=code)).primary()
    assert found is not None
    assert found.partition[2] == name
    assert sif.architecture_code(name) == code


BROKEN = {
    "another magic": (sif_of([], magic=b"SIF_MAGIX"), "SIF_MAGIC"),
    "only a part of a header": (sif_of([])[:100], "within its header"),
    "only a part of its table": (sif_of([partition(b"x")])[:5000], "table of objects"),
    "a negative count": (sif_of([], total=-1), "-1 objects"),
    "a huge count": (sif_of([], total=HUGE), "objects"),
    "a table in the header": (sif_of([], table_at=64, capacity=0), "table of objects"),
    "an object behind the end": (sif_of([partition(b"x", offset=10**9)]), "and the file has"),
    "an object longer than the file": (sif_of([partition(b"x", size=HUGE)]), "and the file has"),
    "a negative size": (sif_of([partition(b"x", size=-5)]), "and the file has"),
    "a negative offset": (sif_of([partition(b"x", offset=-4096)]), "and the file has"),
    "an object over the header": (sif_of([partition(b"x", offset=0)]), "overlap"),
    "an object over the table": (sif_of([partition(b"x" * 100, offset=5000)]), "overlap"),
    "objects over each other": (sif_of([Object(0x4001, b"a" * 9000), partition(b"x", offset=36000)]), "overlap"),
    "two objects with one number": (sif_of([Object(0x4001, b"a", number=7), partition(b"x", number=7)]), "number 7"),
    "two primary partitions": (sif_of([partition(b"x"), partition(b"y")]), "2 primary"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_contradicts_itself_is_refused(name: str) -> None:
    data, why = BROKEN[name]
    with pytest.raises(BrokenArchive) as error:
        read(data)
    assert why in str(error.value)


def test_a_later_version_is_refused_plainly() -> None:
    with pytest.raises(UnsupportedImage, match="version '02'"):
        read(sif_of([], version=b"02"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 127 + 4 * 585), st.binary(min_size=1, max_size=9)), min_size=1, max_size=6),
)
def test_a_mutated_header_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    objects = [Object(0x4001, b"from"), Object(0x4003, b"{}"), partition(b"y" * 5000)]
    data = bytearray(sif_of(objects, capacity=4, table_at=128, page=1))
    for at, value in changes:
        data[at : at + len(value)] = value
    whole = bytes(data)
    try:
        found = read(whole)
    except WherryError:
        return
    for item in found.objects:
        assert 0 <= item.offset <= item.offset + item.size <= len(whole)


def test_what_is_written_is_read_again() -> None:
    objects = [sif.NewObject(sif.JSON, 11, "config.json"), sif.NewObject(sif.PARTITION, 8192)]
    places = sif.place_objects(objects)
    header = sif.write_header(objects, "arm64", bytes(16), 1_600_000_000)
    whole = header + bytes(places[-1] + 8192 - len(header))
    found = read(whole)
    assert found.architecture == "arm64"
    assert found.created == 1_600_000_000
    assert [(item.number, item.offset, item.size, item.name) for item in found.objects] == [
        (1, places[0], 11, "config.json"),
        (2, places[1], 8192, ""),
    ]
    assert all(place % 4096 == 0 for place in places)


def test_the_header_that_is_written_is_apptainers() -> None:
    header = sif.write_header([sif.NewObject(sif.PARTITION, 4096)], "amd64", bytes(range(16)), 5)
    fields = HEADER.unpack(header[:128])
    assert fields[0] == b"#!/usr/bin/env run-singularity\n\0"
    assert fields[1:5] == (b"SIF_MAGIC\0", b"01\0", b"02\0", bytes(range(16)))
    # 47 descriptors of 48 are free, the table is at 4096, data begins behind it and is padded to a page.
    assert fields[5:] == (5, 5, 47, 48, 4096, 48 * 585, 32176, 32768 + 4096 - 32176)
    entry = ENTRY.unpack(header[4096 : 4096 + 585])
    assert entry[:8] == (0x4004, 1, 1, 0xF0000001, 0, 32768, 4096, 4096 + 32768 - 32176)
    assert struct.unpack("<ii3s", entry[13][:11]) == (1, 2, b"02\0")


def test_an_architecture_without_a_code_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedImage) as error:
        sif.architecture_code("loong64")
    assert error.value.hint == "--format squashfs"
