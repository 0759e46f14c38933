"""``ch-convert`` on images made to harm: nothing is made or written outside of the directory that was named."""

from __future__ import annotations

import shutil
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


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A directory as ch-run takes it, to be spoiled, beside a file of the user's."""
    (tmp_path / "private").write_text("KEY=secret\n")
    for name in ("bin", "ch", "etc", "dev", "proc", "sys", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", tmp_path / "box/bin/busybox")
    for name in ("sh", "env", "cat"):
        (tmp_path / "box/bin" / name).symlink_to("busybox")
    return tmp_path / "box"


@pytest.mark.parametrize("link", ["ch/environment", "ch"])
@pytest.mark.parametrize("up", ["../../../../../../..", ""])
def test_no_variables_are_read_through_a_link(box: Path, tmp_path: Path, link: str, up: str) -> None:
    place = box / link
    place.rmdir() if place.is_dir() else None
    (tmp_path / "environment").write_text("KEY=secret\n")
    place.symlink_to(up + str(tmp_path if link == "ch" else tmp_path / "private"))
    result = Wherry(tmp_path / "user").named("ch-run")("--set-env", str(box), "--", "env")
    assert "secret" not in result.stdout and "Traceback" not in result.stderr
    assert result.status == 1 and "No such file" in result.stderr, str(result)


def test_links_within_the_image_are_followed_there(box: Path, tmp_path: Path) -> None:
    """An absolute one leads to the image's own."""
    (box / "etc/variables").write_bytes(b"KEY=mine\nODD=\xff\n")
    (box / "ch/environment").symlink_to("/etc/variables")
    shown = Wherry(tmp_path / "user").named("ch-run").ok("--set-env", str(box), "--", "env")
    assert "KEY=mine\n" in shown and "ODD=\udcff\n" in shown


def test_no_file_of_the_user_is_shown_as_the_images_own(box: Path, tmp_path: Path) -> None:
    (box / "etc/passwd").symlink_to(tmp_path / "private")
    ch_run = Wherry(tmp_path / "user").named("ch-run")
    result = ch_run("--no-passwd", str(box), "--", "sh", "-c", "cat /etc/passwd; echo gone > /etc/passwd")
    assert "secret" not in result.stdout and "bug in wherry" not in result.stderr, str(result)
    assert (tmp_path / "private").read_text() == "KEY=secret\n"
