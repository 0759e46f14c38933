"""Packed images made to harm: each ends in an error that names the file, soon, and leaves the store as it was."""

from __future__ import annotations

import itertools
import json
import os
import struct
import subprocess
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sif_files import HEADER, Object, partition, sif_of, squashfs_of, tar_with
from wherry.base.errors import BrokenArchive, HostileArchive, ImageError, UnsupportedImage, WherryError
from wherry.containers.packed import _is_all_root
from wherry.image import packed_facts, root_tar, unpack_packed
from wherry.image.squashfs import SIZE, read_superblock
from wherry.image.squashtar import tar_of
from wherry.image.squashtree import Squashfs
from wherry.store import Store, open_at
from wherry_command import Wherry

STORED = ("-noI", "-noD", "-noF", "-noX", "-noId")
"""Nothing is compressed, so that single numbers can be changed."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small squashfs, uncompressed."""
    files: dict[str, bytes | str] = {"bin/sh": b"x" * 5000, "a/b/c/file": b"y" * 300_000, "a/link": "b/c"}
    path = tmp_path_factory.mktemp("plain") / "it"
    return squashfs_of(path, tar_with(files), *STORED).read_bytes()


def left(store: Store) -> list[str]:
    """Layers, images and work that are in the store."""
    return [f"{folder}/{name}" for folder in ("layers", "images", "tmp") for name in _names(f"{store.path}/{folder}")]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def refused(store: Store, path: Path, data: bytes) -> str:
    """The error of a file with this content, which leaves nothing."""
    path.write_bytes(data)
    with pytest.raises(WherryError) as error:
        unpack_packed(store, str(path))
    assert path.name in str(error.value)
    assert left(store) == []
    return str(error.value)


def patched(data: bytes, at: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


def inode_table(data: bytes) -> int:
    """Where the first inode of a stored table is: behind the block's length."""
    return read_superblock(data[:SIZE], len(data), "it").inode_table + 2


def inodes(data: bytes) -> dict[int, int]:
    """Where each inode of the plain file system lies, by its kind (the last of each)."""
    superblock = read_superblock(data[:SIZE], len(data), "it")
    at, end = superblock.inode_table + 2, superblock.directory_table
    found = {}
    while at < end:
        kind = struct.unpack_from("<H", data, at)[0]
        found[kind] = at
        if kind == 1:
            at += 32
        elif kind == 3:
            at += 24 + struct.unpack_from("<I", data, at + 20)[0]
        else:
            assert kind == 2
            fragment, _, size = struct.unpack_from("<III", data, at + 20)
            at += 32 + 4 * (size // 131072 + (fragment == 0xFFFFFFFF and size % 131072 > 0))
    return found


def test_the_plain_one_is_good(store: Store, tmp_path: Path, plain: bytes) -> None:
    (tmp_path / "good").write_bytes(plain)
    assert unpack_packed(store, str(tmp_path / "good")).layers


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("form", ["sif", "squashfs"])
def test_a_cut_file(store: Store, tmp_path: Path, plain: bytes, part: float, form: str) -> None:
    whole = sif_of([partition(plain)]) if form == "sif" else plain
    message = refused(store, tmp_path / "cut", whole[: int(len(whole) * part)])
    assert "bytes" in message or "ends within" in message or "no squashfs" in message or "overlap" in message


def test_a_directory_within_itself(store: Store, tmp_path: Path, plain: bytes) -> None:
    """A listing whose entry leads back to its own directory would be walked without end."""
    superblock = read_superblock(plain[:SIZE], len(plain), "it")
    root = superblock.inode_table + 2 + (superblock.root & 0xFFFF)
    start, _, _, offset = struct.unpack_from("<IIHH", plain, root + 16)
    listing = superblock.directory_table + start + 2 + offset
    # The first name of the root leads to the root's inode.
    loop = patched(plain, listing + 12, "<H", superblock.root & 0xFFFF)
    message = refused(store, tmp_path / "loop", loop)
    assert "within itself" in message


@pytest.mark.parametrize("size", [1 << 31, (1 << 32) - 1])
def test_a_file_that_claims_to_be_huge(store: Store, tmp_path: Path, plain: bytes, size: int) -> None:
    at = inodes(plain)[2]
    refused(store, tmp_path / "huge", patched(plain, at + 28, "<I", size))


def test_a_bomb_of_holes(store: Store, tmp_path: Path) -> None:
    """Holes unpack to any size from nothing: what a file system of this size can hold is the limit."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(3):
        with (folder / str(number)).open("wb") as file:
            file.truncate(40 << 20)
    path = tmp_path / "bomb"
    subprocess.run(["mksquashfs", str(folder), str(path), "-quiet", "-no-progress"], check=True)
    assert path.stat().st_size < 8192
    assert "refused" in refused(store, path, path.read_bytes())


def test_a_name_that_leads_out(store: Store, tmp_path: Path) -> None:
    tree = tar_with({"bin/sh": b"x", "etc/abcdefgh": b"y"})
    data = squashfs_of(tmp_path / "fs", tree, *STORED).read_bytes()
    for name in (b"../../ab", b"/etc/abc", b"abcd\0fgh"):
        assert b"abcdefgh" in data
        refused(store, tmp_path / "out", data.replace(b"abcdefgh", name))


def test_a_link_that_leads_out_stays_a_link(store: Store, tmp_path: Path) -> None:
    """Nothing is written through it."""
    target = tmp_path / "outside"
    path = squashfs_of(tmp_path / "fs", tar_with({"bin/sh": b"x", "out": str(target), "etc/x": "../../../etc/passwd"}))
    image = unpack_packed(store, str(path))
    assert not target.exists()
    assert os.readlink(f"{image.layers[0].tree}/out") == str(target)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({1: b"XIF_MAGIC\0"}, ""),
        ({8: 1 << 61}, "objects"),
        ({8: -1}, "objects"),
        ({9: 1 << 62}, "table of objects"),
        ({2: b"99\0"}, "version"),
    ],
)
def test_broken_headers(store: Store, tmp_path: Path, plain: bytes, changes: dict[int, bytes | int], why: str) -> None:
    data = bytearray(sif_of([partition(plain)]))
    fields = list(HEADER.unpack(data[:128]))
    for index, value in changes.items():
        fields[index] = value
    data[:128] = HEADER.pack(*fields)
    assert why in refused(store, tmp_path / "broken", bytes(data))


def test_overlapping_objects(store: Store, tmp_path: Path, plain: bytes) -> None:
    data = sif_of([Object(0x4006, b"{}" * 5000, b"oci-config.json"), partition(plain, offset=36864)])
    assert "overlap" in refused(store, tmp_path / "overlap", data)


def test_a_zero_length_partition(store: Store, tmp_path: Path) -> None:
    assert "empty" in refused(store, tmp_path / "empty", sif_of([partition(b"")]))


def test_a_partition_shorter_than_its_file_system(store: Store, tmp_path: Path, plain: bytes) -> None:
    data = sif_of([partition(plain, size=len(plain) - 8192)])
    assert "are there" in refused(store, tmp_path / "short", data)


def test_a_note_that_is_no_note_is_passed_over(store: Store, tmp_path: Path, plain: bytes) -> None:
    note = struct.pack("<16sQ", b"wherry packed 1\n", 1 << 62) + b"{" * 100
    (tmp_path / "note").write_bytes(plain + note)
    assert packed_facts(str(tmp_path / "note")).config_data == b""
    data = sif_of([Object(0x4006, b"[[[[", b"wherry.json"), partition(plain)])
    (tmp_path / "note.sif").write_bytes(data)
    assert packed_facts(str(tmp_path / "note.sif")).config_data == b""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5))
def test_a_mutated_file_system_is_read_or_refused(
    tmp_path: Path, plain: bytes, changes: list[tuple[int, bytes]]
) -> None:
    """Numbers in its superblock and its tables, which are the file's last bytes."""
    data = bytearray(plain)
    tables = read_superblock(plain[:SIZE], len(plain), "it").inode_table
    for at, value in changes:
        place = at if at < SIZE else tables + (at - SIZE) % (len(data) - tables - 4)
        data[place : place + len(value)] = value
    path = tmp_path / "mutated"
    path.write_bytes(data)
    try:
        facts = packed_facts(str(path))
        assert facts.superblock is not None
        with path.open("rb") as file:
            size = 0
            for chunk in tar_of(Squashfs(file.fileno(), facts.offset, facts.superblock, "it")):
                size += len(chunk)
                if size > 64 << 20:
                    break
    except WherryError:
        pass


def test_errors_are_of_the_right_kind(tmp_path: Path, plain: bytes) -> None:
    (tmp_path / "cut").write_bytes(plain[:200])
    with pytest.raises(BrokenArchive):
        packed_facts(str(tmp_path / "cut"))


def test_run_refuses_it_with_one_line(wherry_here: Wherry, tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "broken.sif"
    path.write_bytes(sif_of([partition(plain, size=1 << 50)]))
    result = wherry_here("run", str(path), "true")
    assert result.status == 125
    assert "broken.sif" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def wherry_here(tmp_path: Path) -> Wherry:
    return Wherry(tmp_path / "wherry")


def test_a_hostile_one_is_called_so(store: Store, tmp_path: Path) -> None:
    data = squashfs_of(tmp_path / "fs", tar_with({"etc/abcdefgh": b"y"}), *STORED).read_bytes()
    (tmp_path / "out").write_bytes(data.replace(b"abcdefgh", b"../../ab"))
    with pytest.raises(HostileArchive):
        unpack_packed(store, str(tmp_path / "out"))


def metadata(data: bytes) -> bytes:
    """A table: blocks of 8 KiB, compressed, each with its length."""
    blocks = (zlib.compress(data[at : at + 8192], 9) for at in range(0, len(data), 8192))
    return b"".join(struct.pack("<H", len(block)) + block for block in blocks)


def crowded(names: int, blocks: int, *, first: bytes = b"") -> bytes:
    """A file system of one directory, in which many names lead to one file that is said to have so many blocks."""
    listing, left = b"", ([first] if first else []) + [b"%08d" % number for number in range(names)]
    for part in (left[at : at + 256] for at in range(0, len(left), 256)):
        listing += struct.pack("<IIi", len(part) - 1, 0, 0)
        listing += b"".join(struct.pack("<HhHH", 40, 0, 2, len(name) - 1) + name for name in part)
    root = struct.pack("<HHHHII", 8, 0o755, 0, 0, 0, 1)
    root += struct.pack("<IIIIHHI", 2, len(listing) + 3, 0, 1, 0, 0, 0xFFFFFFFF)
    file = struct.pack("<HHHHII", 2, 0o644, 0, 0, 0, 2)
    file += struct.pack("<IIII", 96, 0xFFFFFFFF, 0, blocks * 4096) + bytes(4 * blocks)
    inode_table, directory_table, ids = metadata(root + file), metadata(listing), metadata(bytes(4))
    tables = list(itertools.accumulate((96, *map(len, (inode_table, directory_table, ids)))))
    size, nothing = tables[3] + 8, (1 << 64) - 1
    head = struct.pack(
        "<4sIIIIHHHHHHQQQQQQQQ", b"hsqs", 1 << 31, 0, 4096, 0, 1, 12, 0, 1, 4, 0,
        0, size, tables[3], nothing, tables[0], tables[1], nothing, nothing,
    )  # fmt: skip
    return head + inode_table + directory_table + ids + struct.pack("<Q", tables[2])


def test_the_crowded_one_is_good_while_it_is_small(store: Store, tmp_path: Path) -> None:
    (tmp_path / "few").write_bytes(crowded(3, 2, first=b".x"))
    image = unpack_packed(store, str(tmp_path / "few"))
    assert sorted(os.listdir(image.layers[0].tree)) == [".x", "00000000", "00000001", "00000002"]
    assert os.path.getsize(f"{image.layers[0].tree}/00000001") == 8192


def test_many_names_of_a_large_file_take_no_memory(tmp_path: Path) -> None:
    """What stands for the file is read once for each name, and not held."""
    path = tmp_path / "many"
    path.write_bytes(crowded(4096, 15_000))
    assert path.stat().st_size < 64 << 10
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            superblock = read_superblock(file.read(SIZE), path.stat().st_size, "it")
            assert sum(1 for _ in Squashfs(file.fileno(), 0, superblock, "it").walk()) == 4097
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_more_names_than_the_tables_have_room_for_are_refused(store: Store, tmp_path: Path) -> None:
    started = time.process_time()
    assert "names" in refused(store, tmp_path / "names", crowded(200_000, 1))
    assert time.process_time() - started < 20


def test_nothing_is_looked_for_among_very_many_names(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(crowded(120_000, 1))
    with path.open("rb") as file:
        superblock = read_superblock(file.read(SIZE), path.stat().st_size, "it")
        tree = Squashfs(file.fileno(), 0, superblock, "it")
        assert tree.find("00000001") and tree.find(".singularity.d/runscript") is None
        with pytest.raises(HostileArchive, match="looked for"):
            tree.find("etc/rc")


def with_xattr(path: Path) -> bytes:
    """A stored file system with a file that has an attribute."""
    folder = path.with_suffix(".d")
    (folder / "bin").mkdir(parents=True)
    (folder / "a").touch()
    os.setxattr(folder / "a", "user.test", b"v" * 200)
    words = ["mksquashfs", str(folder), str(path), "-quiet", "-no-progress", "-xattrs", *STORED]
    subprocess.run(words, check=True, capture_output=True)
    return path.read_bytes()


def test_an_attribute_elsewhere_that_does_not_say_where(store: Store, tmp_path: Path) -> None:
    data = with_xattr(tmp_path / "fs")
    at = data.index(b"test" + struct.pack("<I", 8))  # of its reference to the value
    changed = patched(data, at + 4, "<I", 7)
    assert "elsewhere" in refused(store, tmp_path / "it", changed)


def test_a_name_of_an_attribute_that_is_no_text_comes_as_it_is(store: Store, tmp_path: Path) -> None:
    data = with_xattr(tmp_path / "fs").replace(b"\4\0test", b"\4\0t\xff\xfet")
    (tmp_path / "it").write_bytes(data)
    image = unpack_packed(store, str(tmp_path / "it"))
    assert os.getxattr(f"{image.layers[0].tree}/a", b"user.t\xff\xfet") == b"v" * 200
    assert b"user.t\xff\xfet=" in b"".join(root_tar(image))


@pytest.mark.parametrize("form", ["sif", "squashfs"])
def test_a_note_that_nests_without_an_end_is_passed_over(tmp_path: Path, plain: bytes, form: str) -> None:
    text = b'{"config": "{}", "x": ' + b"[" * 20_000
    data = plain + bytes(-len(plain) % 4096) + struct.pack("<16sQ", b"wherry packed 1\n", len(text)) + text
    if form == "sif":
        data = sif_of([Object(0x4006, text, b"wherry.json"), partition(plain)])
    (tmp_path / "it").write_bytes(data)
    assert packed_facts(str(tmp_path / "it")).config_data == b""


def test_a_configuration_that_nests_without_an_end_is_refused(tmp_path: Path, plain: bytes) -> None:
    note = json.dumps({"config": '{"x": ' + "[" * 20_000}).encode()
    (tmp_path / "it").write_bytes(sif_of([Object(0x4006, note, b"wherry.json"), partition(plain)]))
    with pytest.raises(ImageError, match="malformed"):
        packed_facts(str(tmp_path / "it"))


def test_a_table_of_owners_beyond_all_files_is_not_read(tmp_path: Path) -> None:
    """Whose files they are is asked before a mount; what the table leads to may lie anywhere."""
    squashfs_of(tmp_path / "it", tar_with({"bin/sh": b"x"}), *STORED, "-all-root")
    facts = packed_facts(str(tmp_path / "it"))
    assert facts.superblock is not None
    with (tmp_path / "it").open("r+b") as file:
        assert _is_all_root(file.fileno(), facts)
        for place in ((1 << 64) - 1, 1 << 63, facts.size):
            file.seek(facts.superblock.id_table)
            file.write(struct.pack("<Q", place))
            file.flush()
            assert not _is_all_root(file.fileno(), facts)


@pytest.mark.parametrize("path", [".singularity.d/env/10-docker.sh", "ch/environment"])
def test_variables_and_labels_that_are_no_text_come_readable(store: Store, tmp_path: Path, path: str) -> None:
    line = b'export A="\xff"\n' if path.startswith(".") else b"A=\xff\n"
    labels = b'{"broken": "\\ud800x", "\\udfff": "1"}'
    files: dict[str, bytes | str] = {"bin/sh": b"x", path: line, ".singularity.d/labels.json": labels}
    image = unpack_packed(store, str(squashfs_of(tmp_path / "it", tar_with(files))))
    assert image.config.config.env == ("A=\ufffd",)
    assert image.config.config.labels == {"broken": "?x", "?": "1"}


def test_a_partition_that_lies_over_the_first_is_not_left_out_in_silence(tmp_path: Path, plain: bytes) -> None:
    """Apptainer mounts it, so that the container has other files without it."""
    for system in (1, 2):
        data = sif_of([partition(plain), partition(bytes(4096), system=system, kind=4)])
        (tmp_path / "it.sif").write_bytes(data)
        with pytest.raises(UnsupportedImage, match="overlay"):
            packed_facts(str(tmp_path / "it.sif"))
