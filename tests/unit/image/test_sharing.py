"""Layers of clones: a folder taken in without copying gives the same files as by a copy, and stays as it was."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from wherry.image import importing, sharing, view
from wherry.image.importing import import_folder
from wherry.store import Store, open_at

COPIED = ("cp", "-R", "-P", "--preserve=mode,timestamps,links", "--")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root file system with all that a user can make."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(b"#!/bin/sh\n")
    (root / "bin/tool").chmod(0o4755)
    os.link(root / "bin/tool", root / "bin/same")
    os.symlink("tool", root / "bin/link")
    os.mkfifo(root / "pipe")
    (root / "empty").touch()
    (root / "shared").mkdir()
    (root / "shared").chmod(0o1777)
    (root / "closed").mkdir()
    (root / "closed/file").write_text("read me")
    (root / "closed").chmod(0o555)
    for path in (root / "bin/tool", root / "closed/file", root / "bin", root):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return root


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture
def cloning(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that shares blocks: what cp(1) is asked for is all that differs."""
    monkeypatch.setattr(sharing, "shares_blocks", lambda path, folder: True)
    monkeypatch.setattr(sharing, "_COPY", COPIED)


def seen(root: Path) -> dict[str, tuple[int, int, int]]:
    found = {str(path.relative_to(root)): path.lstat() for path in root.rglob("*")}
    return {name: (each.st_mode, each.st_ino, each.st_mtime_ns) for name, each in found.items()}


def test_clones_and_copies_have_the_same_files(folder: Path, store: Store, tmp_path: Path, cloning: None) -> None:
    before = seen(folder)
    cloned = import_folder(store, str(folder), share=True)
    assert seen(folder) == before
    copied = import_folder(open_at(str(tmp_path / "other")), str(folder))
    ours, theirs = (Path(image.layers[0].tree) for image in (cloned, copied))
    assert {name: each[0] for name, each in seen(ours).items()} == {
        name: each[0] for name, each in seen(theirs).items()
    }
    for name in ("closed/file", "bin/tool", "empty"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes() == (folder / name).read_bytes()
    assert (ours / "bin/tool").stat().st_ino not in {each[1] for each in before.values()}
    assert os.path.samefile(ours / "bin/tool", ours / "bin/same")
    assert stat.S_IMODE((ours / "bin/tool").stat().st_mode) == 0o755
    again = import_folder(open_at(str(tmp_path / "again")), str(folder), share=True)
    assert again.config.rootfs == cloned.config.rootfs


def test_the_image_shows_open_folders_as_they_were(folder: Path, store: Store, cloning: None) -> None:
    found = view(import_folder(store, str(folder), share=True)).stat("/shared")
    assert found is not None and stat.S_IMODE(found.mode) == 0o1777


def test_it_says_of_a_file_system_what_cp_finds(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    words = ["cp", "--reflink=always", str(folder / "bin/tool"), str(tmp_path / "cloned")]
    can = subprocess.run(words, capture_output=True).returncode == 0
    assert sharing.shares_blocks(str(folder / "bin/tool"), str(tmp_path / "work")) is can
    assert os.listdir(tmp_path / "work") == []
    assert sharing.shares_blocks("/proc/self/status", str(tmp_path / "work")) is False


def test_where_nothing_is_shared_all_is_copied(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "shares_blocks", lambda path, folder: False)
    image = import_folder(store, str(folder), share=True)
    assert (Path(image.layers[0].tree) / "closed/file").read_text() == "read me"


def test_where_cp_does_not_get_all_it_is_as_if_nothing_was_tried(
    folder: Path, store: Store, cloning: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_COPY", ("sh", "-c", 'mkdir "$2"; exit 1', "cp"))
    image = import_folder(store, str(folder), share=True)
    assert (Path(image.layers[0].tree) / "closed/file").read_text() == "read me"
    assert os.listdir(f"{store.path}/tmp") == []


@pytest.mark.parametrize("name", [".wh.file", ".wh..wh..opq"])
def test_names_that_remove_something_are_read_as_before(folder: Path, name: str) -> None:
    assert importing._looked_at(str(folder))[1]
    (folder / "bin" / name).touch()
    assert importing._looked_at(str(folder))[1] == ""


def test_attributes_of_theirs_are_not_believed(folder: Path, store: Store, cloning: None) -> None:
    try:
        os.setxattr(folder / "shared", "user.overlay.opaque", b"y")
    except OSError:
        pytest.fail("the tests' file system has no attributes")
    tree = Path(import_folder(store, str(folder), share=True).layers[0].tree)
    assert "user.overlay.opaque" not in os.listxattr(tree / "shared")
