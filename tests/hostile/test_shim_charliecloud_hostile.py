"""``ch-convert`` on images made to harm: nothing is made or written outside of the directory that was named."""

from __future__ import annotations

from pathlib import Path

import pytest

from layers import Item, directory, file, symlink, tar_of
from wherry.shims.charliecloud.places import make_places
from wherry_command import Wherry

ROOT = [directory("bin"), file("bin/sh", b"x", 0o755)]


def converted(folder: Path, items: list[Item], *changes: str) -> Path:
    """The directory that comes of an image with these files."""
    wherry = Wherry(folder / "user")
    (folder / "root.tar").write_bytes(tar_of([*ROOT, *items]))
    wherry.ok("import", *(f"--change={change}" for change in changes), str(folder / "root.tar"), "bad:1")
    wherry.named("ch-convert").ok("bad:1", str(folder / "out"))
    return folder / "out"


@pytest.mark.parametrize("link", ["../../login", "@/login"])
def test_a_variable_is_not_written_through_a_link(tmp_path: Path, link: str) -> None:
    target = link.replace("@", str(tmp_path))
    out = converted(tmp_path, [directory("ch"), symlink("ch/environment", target)], 'ENV A="1; rm -r ~"')
    assert not (tmp_path / "login").exists()
    assert (out / "ch/environment").is_symlink() and (out / "mnt/9").is_dir()


def test_no_directory_is_made_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    out = converted(tmp_path, [symlink("mnt", str(victim)), symlink("ch", str(victim)), symlink("etc", "../victim")])
    assert list(victim.iterdir()) == []
    assert (out / "mnt").is_symlink() and (out / "dev").is_dir()


def test_what_the_image_has_stays_as_it_is(tmp_path: Path) -> None:
    """A file where a directory is wanted, and an environment of its own."""
    (tmp_path / "ch").mkdir()
    (tmp_path / "ch/environment").write_text("MINE=1\n")
    (tmp_path / "mnt").write_text("file")
    make_places(str(tmp_path), ("A=1",))
    assert (tmp_path / "ch/environment").read_text() == "MINE=1\n" and (tmp_path / "mnt").read_text() == "file"
    (tmp_path / "ch/environment").unlink()
    make_places(str(tmp_path), ("A=1", "B=\udcff"))
    assert (tmp_path / "ch/environment").read_bytes() == b"A=1\nB=\xff\n"
