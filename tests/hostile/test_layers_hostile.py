"""Layers that try something, or are broken: nothing is made outside the layer, and the error says what it was."""

from __future__ import annotations

import bz2
import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from layers import Item, apply, directory, file, hardlink, make_removable, symlink, tar_of
from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, DigestMismatch, HostileArchive, ImageError


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A layer's folder; when the test is over, nothing may lie beside what belongs there."""
    (tmp_path / "outside").write_text("untouched")
    yield tmp_path / "work"
    assert sorted(os.listdir(tmp_path)) == ["outside", "work"]
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (tmp_path / "outside").stat().st_nlink == 1
    assert set(os.listdir(tmp_path / "work")) <= {"tree", "table.zst"}
    make_removable(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "..", "a/..", "/../outside", "a/b/../../../outside"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_name_with_two_dots_is_refused(work: Path, name: str, kind: bytes) -> None:
    with pytest.raises(HostileArchive, match=r"'\.\.'"):
        apply(tar_of([Item(name, kind, target="a")]), work)


def test_an_absolute_name_lies_within_the_layer(work: Path) -> None:
    apply(tar_of([file("/etc/motd", b"hello"), directory("//usr"), file("//usr//./bin", b"x")]), work)
    assert (work / "tree/etc/motd").read_bytes() == b"hello"
    assert (work / "tree/usr/bin").read_bytes() == b"x"


@pytest.mark.parametrize("target", ["/", "..", "../..", "/..", "/../..", "../../../../../../../..", "d/../../.."])
def test_a_symbolic_link_out_leads_nowhere_but_into_the_layer(work: Path, tmp_path: Path, target: str) -> None:
    apply(tar_of([directory("d"), symlink("l", target), file("l/outside", b"mine")]), work)
    assert (work / "tree/outside").read_bytes() == b"mine"


def test_a_symbolic_link_to_a_host_path_is_followed_within_the_layer(work: Path, tmp_path: Path) -> None:
    apply(tar_of([symlink("l", str(tmp_path)), file("l/outside", b"mine"), file("l/work", b"mine")]), work)
    assert Path(f"{work}/tree{tmp_path}/outside").read_bytes() == b"mine"


def test_a_file_does_not_write_through_a_symbolic_link(work: Path, tmp_path: Path) -> None:
    apply(tar_of([symlink("l", str(tmp_path / "outside")), file("l", b"mine")]), work)
    assert not (work / "tree/l").is_symlink()
    assert (work / "tree/l").read_bytes() == b"mine"


def test_a_link_swapped_for_a_directory_in_between_does_not_help(work: Path, tmp_path: Path) -> None:
    swap = [directory("d"), file("d/one"), symlink("d", str(tmp_path)), file("d/outside", b"mine")]
    apply(tar_of(swap * 20), work)
    assert Path(f"{work}/tree{tmp_path}/outside").read_bytes() == b"mine"


@pytest.mark.parametrize("target", ["../outside", "../../../../etc/passwd", "/../outside", "a/../../outside"])
def test_a_hard_link_out_is_refused(work: Path, target: str) -> None:
    with pytest.raises(HostileArchive):
        apply(tar_of([hardlink("l", target)]), work)


def test_an_absolute_hard_link_means_the_layers_own_file(work: Path) -> None:
    apply(tar_of([file("etc/passwd", b"mine"), hardlink("l", "/etc/passwd")]), work)
    assert (work / "tree/l").read_bytes() == b"mine"


def test_a_hard_link_through_a_symbolic_link_stays_within(work: Path, tmp_path: Path) -> None:
    done = apply(tar_of([symlink("out", str(tmp_path)), hardlink("l", "out/outside")]), work)
    assert done.summary.links == (("l", "out/outside", False),)
    assert not (work / "tree/l").exists()


def test_a_hard_link_to_a_directory_is_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive, match="hard link to a directory"):
        apply(tar_of([directory("d"), hardlink("l", "d")]), work)


def test_a_hard_link_to_itself_is_left_alone(work: Path) -> None:
    apply(tar_of([file("f", b"x"), hardlink("f", "f")]), work)
    assert (work / "tree/f").read_bytes() == b"x"


@pytest.mark.parametrize("name", [".", "./", "/", "./."])
def test_only_a_directory_may_be_the_root(work: Path, name: str) -> None:
    with pytest.raises(HostileArchive, match="root"):
        apply(tar_of([symlink(name, "/etc")]), work)


def test_links_in_a_circle_are_refused(work: Path) -> None:
    with pytest.raises(HostileArchive, match="circle"):
        apply(tar_of([symlink("a", "b"), symlink("b", "a"), file("a/f")]), work)


def test_a_path_through_a_file_is_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive, match="no directory"):
        apply(tar_of([file("a", b"x"), file("a/b", b"y")]), work)


@pytest.mark.parametrize("name", ["a/.wh..", "a/.wh...", "a/.wh."])
def test_a_whiteout_of_its_own_directory_is_refused(work: Path, name: str) -> None:
    with pytest.raises(HostileArchive):
        apply(tar_of([directory("a"), file(name)]), work)


def test_names_that_are_not_utf8_are_kept_as_bytes(work: Path) -> None:
    name = os.fsdecode(b"caf\xe9/\xff\xfe\x80")
    apply(tar_of([file(name, b"x")], tarfile.GNU_FORMAT), work)
    assert os.listdir(os.fsencode(work / "tree" / "caf") + b"\xe9") == [b"\xff\xfe\x80"]


def test_control_characters_in_a_name_do_not_reach_the_terminal(work: Path) -> None:
    with pytest.raises(HostileArchive) as caught:
        apply(tar_of([file("\x1b[2J\x07/../x")]), work)
    assert "\x1b" not in str(caught.value)
    assert "\\x1b" in str(caught.value)


def test_a_nul_byte_in_a_pax_name_is_refused(work: Path) -> None:
    record = b"12 path=a\0b\n"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    tar = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tar_of([file("a")])
    with pytest.raises(BrokenArchive, match="NUL"):
        apply(tar, work)


@pytest.mark.parametrize("length", [256, 5000])
def test_names_longer_than_the_kernel_takes_are_refused(work: Path, length: int) -> None:
    with pytest.raises(BrokenArchive, match="longer than"):
        apply(tar_of([file("n" * length)]), work)


def test_a_path_as_long_as_the_kernel_takes_is_made(work: Path) -> None:
    name = "/".join(["d" * 99] * 40)
    apply(tar_of([file(name, b"deep")]), work)
    assert sum(len(files) for _, _, files in os.walk(work / "tree")) == 1


def test_an_extended_header_of_many_megabytes_is_refused(work: Path) -> None:
    with pytest.raises(HostileArchive, match="1 MiB"):
        apply(tar_of([file("a", pax={"comment": "x" * (2 << 20)})]), work)


def _zeros(size: int) -> Iterator[bytes]:
    header = tarfile.TarInfo("zeros")
    header.size = size
    yield header.tobuf(tarfile.GNU_FORMAT)
    left = size
    while left:
        yield bytes(min(left, 1 << 20))
        left -= min(left, 1 << 20)
    yield bytes(1024)


def test_a_gigabyte_from_some_kilobytes_is_stopped(work: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=19).compressobj()
    bomb = b"".join(compressor.compress(chunk) for chunk in _zeros(1 << 30)) + compressor.flush()
    assert len(bomb) < 200_000
    with pytest.raises(HostileArchive, match="more than"):
        apply(bomb, work)
    assert sum(path.stat().st_blocks * 512 for path in (work / "tree").iterdir()) < 150 << 20


def test_a_bomb_within_a_bomb_costs_no_memory(work: Path) -> None:
    inner = bz2.compress(b"".join(_zeros(64 << 20)))
    with pytest.raises(HostileArchive, match="more than"):
        apply(inner * 1000, work, size=1)


def test_very_many_entries_for_one_name_are_applied(work: Path) -> None:
    done = apply(tar_of([symlink("a", "x"), file("a")], tarfile.USTAR_FORMAT, end=b"") * 2_000, work)
    assert done.summary.entries == 4_000
    assert os.listdir(work / "tree") == ["a"]


def test_very_many_directories_cost_no_descriptors(work: Path) -> None:
    names = [f"{number % 100}/{number}" for number in range(20_000)]
    done = apply(tar_of(map(directory, names), tarfile.USTAR_FORMAT), work)
    assert done.summary.entries == 20_000
    assert len(done.summary.implicit) == 100


@pytest.mark.parametrize("cut", [1, 511, 512, 513, 700, 1023])
def test_a_cut_stream_is_refused(work: Path, cut: int) -> None:
    whole = tar_of([file("a", b"x" * 600), file("b", b"y")], end=b"")
    with pytest.raises(BrokenArchive, match="ends in the middle"):
        apply(whole[:-cut] if cut != 512 else whole[:512], work)


def test_a_stream_without_an_end_mark_is_taken(work: Path) -> None:
    apply(tar_of([file("a", b"x")], end=b""), work)
    assert (work / "tree/a").read_bytes() == b"x"


def test_two_archives_in_a_row_are_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive, match="joined"):
        apply(tar_of([file("a")]) + tar_of([file("b")]), work)


def test_a_lone_block_of_zeros_is_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive, match="single block"):
        apply(tar_of([file("a")], end=b"\0" * 512) + tar_of([file("b")]), work)


@pytest.mark.parametrize("position", [0, 100, 124, 136, 148, 156, 257])
def test_a_flipped_byte_in_a_header_is_noticed(work: Path, position: int) -> None:
    tar = bytearray(tar_of([file("a", b"x")], tarfile.USTAR_FORMAT))
    tar[position] ^= 0x01
    with pytest.raises(BrokenArchive, match="checksum"):
        apply(bytes(tar), work)


def test_something_that_is_no_tar_is_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive):
        apply(os.urandom(4096), work)


@pytest.mark.parametrize("cut", [1, 8, 20, 200])
def test_a_cut_gzip_stream_is_refused(work: Path, cut: int) -> None:
    with pytest.raises(ImageError):
        apply(gzip.compress(tar_of([file("a", os.urandom(5000))]))[:-cut], work)


def test_a_damaged_gzip_stream_is_refused(work: Path) -> None:
    damaged = bytearray(gzip.compress(tar_of([file("a", os.urandom(5000))])))
    damaged[3000] ^= 0xFF
    with pytest.raises(ImageError):
        apply(bytes(damaged), work, expected=Digest.of(b"something else"))


def test_rubbish_behind_a_gzip_stream_is_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive):
        apply(gzip.compress(tar_of([file("a", b"x")])) + b"rubbish", work)


def test_joined_gzip_members_are_one_stream(work: Path) -> None:
    tar = tar_of([file("a", b"x" * 5000), file("b", b"y")])
    apply(gzip.compress(tar[:700]) + gzip.compress(tar[700:5000]) + gzip.compress(tar[5000:]) + b"\0" * 20, work)
    assert (work / "tree/b").read_bytes() == b"y"


def test_joined_zstd_frames_are_one_stream(work: Path) -> None:
    tar = tar_of([file("a", b"x" * 5000), file("b", b"y")])
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0none"
    apply(skippable + zstandard.compress(tar[:700]) + zstandard.compress(tar[700:]), work)
    assert (work / "tree/b").read_bytes() == b"y"


def test_another_tar_than_the_configuration_names_is_refused(work: Path) -> None:
    with pytest.raises(DigestMismatch, match="expected"):
        apply(tar_of([file("a")]), work, expected=Digest.of(b"another"))


def test_the_overlays_own_attributes_never_reach_the_disk(work: Path) -> None:
    names = ["user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy", "trusted.overlay.opaque"]
    names += ["security.capability", "user.kept"]
    pax = {f"SCHILY.xattr.{name}": "y" for name in names}
    apply(tar_of([directory("d", pax=pax), file("f", b"x", pax=pax), file("r", b"x", mode=0o444, pax=pax)]), work)
    for name in ("d", "f", "r"):
        assert os.listxattr(work / "tree" / name) == ["user.kept"]
    assert (work / "tree/r").stat().st_mode & 0o777 == 0o444


def test_a_device_of_the_overlays_kind_is_not_made(work: Path) -> None:
    done = apply(tar_of([Item("a", tarfile.CHRTYPE), Item("b", tarfile.BLKTYPE, device=(8, 0))]), work)
    assert done.summary.devices == 2
    assert os.listdir(work / "tree") == []


def test_set_id_bits_never_reach_the_disk(work: Path) -> None:
    apply(tar_of([file("f", mode=0o6755), directory("d", mode=0o3777)]), work)
    assert (work / "tree/f").stat().st_mode & 0o7777 == 0o755
    assert (work / "tree/d").stat().st_mode & 0o7777 == 0o1755


@pytest.mark.parametrize("lie", ["1000,5", "0,2,1,3", "0,4,4,9", "9223372036854775807,5", "5", "x", "0,5,1"])
def test_sparse_maps_that_lie_are_refused(work: Path, lie: str) -> None:
    pax = {"GNU.sparse.size": "900", "GNU.sparse.numblocks": "1", "GNU.sparse.map": lie}
    with pytest.raises(BrokenArchive, match="sparse"):
        apply(tar_of([file("s", b"12345", pax=pax)]), work)


def test_unknown_kinds_of_entries_are_refused(work: Path) -> None:
    with pytest.raises(BrokenArchive, match="unknown type 'M'"):
        apply(tar_of([Item("a", b"M")], tarfile.GNU_FORMAT), work)


def test_an_empty_stream_is_an_empty_layer(work: Path) -> None:
    done = apply(bytes(1024), work)
    assert done.summary.entries == 0
    assert os.listdir(work / "tree") == []
