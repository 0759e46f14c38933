"""Bombs at full size: they end in an error or a right result, soon, in little memory, and the store is as it was."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from layers import file, hardlink, stack, tar_of, write_layout, write_packed
from wherry.base.digest import Digest
from wherry.image.table import rebuild
from wherry_command import Wherry, installed

_MIB = 1 << 20
_TEN = 10 << 30
_MILLION = 1_000_000
_MOST_MEMORY = 200 * _MIB
_ANY = Digest.of(b"of a layer that is refused before anybody asks")


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    """The command, in a store that has an image already."""
    command = Wherry(tmp_path / "user")
    command.ok("load", "-q", "-i", str(write_layout(tmp_path / "good", [tar_of([file("a", b"x")])])))
    return command


@pytest.mark.parametrize("version", ["1.0", "0.1"])
def test_ten_gigabytes_of_holes_take_no_disk(tmp_path: Path, version: str) -> None:
    middle = _TEN // 2
    major, minor = version.split(".")
    pax = {"GNU.sparse.major": major, "GNU.sparse.minor": minor, "GNU.sparse.name": "big"}
    data = b"12345"
    if version == "1.0":
        pax["GNU.sparse.realsize"] = str(_TEN)
        data = f"1\n{middle}\n5\n".encode().ljust(512, b"\0") + data
    else:
        pax |= {"GNU.sparse.size": str(_TEN), "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{middle},5"}
    tar = tar_of([file("GNUSparseFile.0/big", data, pax=pax)])
    (layer,) = stack([tar], tmp_path)
    with open(f"{layer.tree}/big", "rb") as big:
        assert os.fstat(big.fileno()).st_size == _TEN
        assert os.fstat(big.fileno()).st_blocks * 512 < _MIB
        assert os.pread(big.fileno(), 7, middle - 1) == b"\x0012345\0"
    assert b"".join(rebuild(layer)) == tar


def test_ten_gigabytes_from_some_kilobytes_are_refused(wherry: Wherry, tmp_path: Path) -> None:
    bomb = zstandard.compress(_header("zeros", _TEN)) + zstandard.compress(bytes(64 * _MIB)) * 160
    assert len(bomb) < 400_000
    _refused(wherry, write_packed(tmp_path / "bomb", [(bomb, "zstd", _ANY)]), "is refused")


def test_ten_gigabytes_packed_twice_are_no_archive(wherry: Wherry, tmp_path: Path) -> None:
    inner = gzip.compress(_header("zeros", _TEN)) + gzip.compress(bytes(64 * _MIB)) * 160
    bomb = gzip.compress(inner)
    assert len(bomb) < 100_000
    _refused(wherry, write_packed(tmp_path / "bomb", [(bomb, "gzip", _ANY)]), "cannot be unpacked")


def test_an_honest_layer_of_ten_gigabytes_does_not_fill_a_small_disk(wherry: Wherry, tmp_path: Path) -> None:
    """No ratio tells it from a bomb: zeros shrink a thousand times with gzip, too."""
    layer = gzip.compress(_header("zeros", _TEN)) + gzip.compress(bytes(64 * _MIB)) * 160 + gzip.compress(bytes(1024))
    layout = write_packed(tmp_path / "bomb", [(layer, "gzip", _ANY)])
    output, _ = _on_small_disk(wherry, layout, "size=150m", 125)
    assert "does not fit" in output


def test_a_layer_of_very_many_files_leaves_others_some_inodes(wherry: Wherry, tmp_path: Path) -> None:
    layout = write_packed(tmp_path / "bomb", [(*_of_files(100_000), _ANY)])
    output, _ = _on_small_disk(wherry, layout, "nr_inodes=30k", 125)
    assert "does not fit" in output
    assert "inodes" in output


def test_a_million_files_are_unpacked(wherry: Wherry, tmp_path: Path) -> None:
    hasher = _ANY.hasher()
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    packed = []
    for chunk in _files(_MILLION):
        hasher.update(chunk)
        packed.append(packer.compress(chunk))
    blob = b"".join([*packed, packer.flush()])
    layout = write_packed(tmp_path / "many", [(blob, "zstd", hasher.digest())])
    _, files = _on_small_disk(wherry, layout, "nr_inodes=1200k", 0)
    assert _MILLION + 1_000 <= files < _MILLION + 1_200


def test_very_deep_names_do_not_multiply(wherry: Wherry, tmp_path: Path) -> None:
    """Each names two thousand directories by a few kilobytes: a gigabyte of paths, from some kilobytes."""
    bomb = tar_of((file(f"{number}/{'a/' * 2_000}f") for number in range(1_000)), tarfile.GNU_FORMAT)
    _refused(wherry, write_layout(tmp_path / "bomb", [bomb], form="zstd"), "too many directories")


def test_very_many_links_to_nothing_are_refused(wherry: Wherry, tmp_path: Path) -> None:
    missing = "/".join(["m" * 200] * 20)
    bomb = tar_of(hardlink(f"{number}-{'n' * 200}", f"{missing}{number}") for number in range(10_000))
    _refused(wherry, write_layout(tmp_path / "bomb", [bomb], form="zstd"), "links to too many files")


# ---- making ---------------------------------------------------------------------------------------------------------


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _files(count: int) -> Iterator[bytes]:
    """The tar of so many empty files, a thousand a directory, without making a header anew for each."""
    name = b"0000/0000000"
    header = tarfile.TarInfo(name.decode()).tobuf(tarfile.USTAR_FORMAT)
    sum_without_name = int(header[148:154], 8) - sum(name)
    before, after = header[len(name) : 148], header[156:]
    for start in range(0, count, 1_000):
        block = []
        for number in range(start, min(start + 1_000, count)):
            name = b"%04d/%07d" % (number // 1_000, number)
            block += [name, before, b"%06o\0 " % (sum_without_name + sum(name)), after]
        yield b"".join(block)
    yield bytes(1024)


def _of_files(count: int) -> tuple[bytes, str]:
    return zstandard.compress(b"".join(_files(count)), 1), "zstd"


# ---- measuring ------------------------------------------------------------------------------------------------------


def _refused(wherry: Wherry, layout: Path, why: str) -> None:
    before = _contents(wherry.folder / "store")
    status, output, memory = _measured(wherry, "load", "-q", "-i", str(layout))
    assert status == 125, output
    assert why in output
    assert memory < _MOST_MEMORY
    assert _contents(wherry.folder / "store") == before


def _on_small_disk(wherry: Wherry, layout: Path, options: str, expected: int) -> tuple[str, int]:
    """Load into a store on a file system of its own; the output, and how many inodes that has used in the end."""
    store = wherry.folder / "store"
    script = (
        'mount -t tmpfs -o "$1" none "$2" && store=$2 && shift 2 || exit 9; "$@"; code=$?; '
        'echo; df --output=iused "$store" | tail -1; exit $code'
    )
    prefix = ("unshare", "-Urm", "--propagation", "private", "sh", "-c", script, "sh", options, str(store))
    status, output, memory = _measured(wherry, "load", "-q", "-i", str(layout), prefix=prefix)
    assert status == expected, output
    assert memory < _MOST_MEMORY
    said, _, files = output.rstrip().rpartition("\n")
    if status:
        assert int(files) < 20, "something was left"
    return said, int(files)


def _measured(wherry: Wherry, *arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, str, int]:
    """Exit status, output, and the most memory that all processes together can have had resident."""
    log = wherry.folder / "log"
    peaks: dict[int, int] = {}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*prefix, str(installed()), *arguments],
            env=wherry.environment,
            cwd=wherry.folder / "home",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            while process.poll() is None:
                for pid in _family(process.pid):
                    peaks[pid] = max(peaks.get(pid, 0), _peak(pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
        finally:
            process.kill()
            process.wait()
    assert peaks
    return process.returncode, log.read_text(errors="replace"), sum(peaks.values())


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _family(int(child))


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _contents(folder: Path) -> list[str]:
    return sorted(f"{path}/{name}" for path, folders, files in os.walk(folder) for name in folders + files)
