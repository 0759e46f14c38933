"""Names of files that mean harm: in scripts and modulefiles that are made for them, in a directory of everybody's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

import images
from wherry.base.errors import UsageError
from wherry.base.outside import Outside
from wherry.containers import World
from wherry.containers.commandfiles import Exposed, read_command, write_command
from wherry.containers.modules import Module, write_module
from wherry.containers.resolving import file_meant
from wherry.image.writing import tar_writer
from wherry_command import Wherry


@pytest.mark.parametrize("part", ["image", "path", "module"])
def test_no_file_name_becomes_a_line_of_a_script(tmp_path: Path, part: str) -> None:
    """Nor what cannot be read back, by which the script is listed and removed."""
    evil = f"{tmp_path}/x\ntouch {tmp_path}/made\n.sif"
    each = Exposed("cmd", f"{tmp_path}/cmd", "./x.sif", "/x.sif", ("cmd",), ("-v", "/a\nb:/c"))
    write_command(each, World(Outside({})))
    assert read_command(f"{tmp_path}/cmd") == each
    with pytest.raises(UsageError, match="no text"):
        write_command(msgspec.structs.replace(each, **{part: evil}), World(Outside({})))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cmd"]


def test_modulefiles_keep_to_a_line_a_string(tmp_path: Path) -> None:
    write_module(Module(f"{tmp_path}/m/1", "/commands", 'a\n"b"'))
    assert (tmp_path / "m" / "1.lua").read_text().splitlines()[1] == 'help("a\\n\\"b\\"")'


def test_files_of_others_where_everybody_may_write_are_no_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name means the registry's image there; with a slash the file is meant."""
    subprocess.run(["tar", "-C", images.image("tiny"), "-cf", tmp_path / "debian", "."], check=True)
    monkeypatch.chdir(tmp_path)
    assert file_meant(World(), "debian") == f"{tmp_path}/debian"
    assert file_meant(World(files=False), "debian") is None
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert file_meant(World(), "debian") == f"{tmp_path}/debian"
    tmp_path.chmod(0o1777)
    assert file_meant(World(), "debian") is None
    assert file_meant(World(), "./debian") == f"{tmp_path}/debian"


def test_a_saved_image_goes_behind_what_standard_output_has(tmp_path: Path) -> None:
    wherry = Wherry(tmp_path)
    digest = wherry.ok("load", "-q", "-i", str(images.image("tiny"))).split()[-1]
    with open(tmp_path / "all", "wb", buffering=0) as file:
        file.write(b"before")
        done = subprocess.run([wherry.program, "save", digest], stdout=file, env=wherry.environment)
        file.write(b"after")
    assert done.returncode == 0
    whole = (tmp_path / "all").read_bytes()
    assert whole.startswith(b"before") and whole.endswith(b"after") and len(whole) > 10240
    with tar_writer(str(tmp_path / "alone")) as writer:
        writer.add("x", 1, [b"x"])
    assert (tmp_path / "alone").exists()
