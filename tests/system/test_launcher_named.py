"""NAMED: what arguments name on the host is shown where the image lacks it, and nothing of the image is hidden."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launcher_plans import Box, Operation


class Host:
    """A directory that stands for a top one of host and image: ``files`` on the host, ``image`` in the image."""

    def __init__(self, folder: Path) -> None:
        self.box = Box(folder / "box")
        self.host = folder / "sys"
        self.inside = Path(f"{self.box.tree}{self.host}")
        for path in ("data/a/one", "data/a/two", "data/b/three", "both/mine", "lib/host.so"):
            self.write(self.host, path, "host\n")
        for path in ("both/own", "lib/own.so"):
            self.write(self.inside, path, "image\n")

    def write(self, folder: Path, path: str, text: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    def shown(self, *arguments: str, cwd: Path | None = None) -> list[str]:
        """All files below the directory inside, after a start with these arguments."""
        late = [Operation("NAMED", ((str(self.host),),))]
        script = f"cd {self.host}; for f in */* */*/*; do [ -f $f ] && echo $f; done; true"
        argv = self.box.argv(["sh", "-c", script, "-", *arguments], late=late)
        done = subprocess.run(argv, cwd=cwd or "/", env=self.box.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return sorted(done.stdout.split())


OWN = ["both/own", "lib/own.so"]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_nothing_is_shown_that_nobody_names(host: Host) -> None:
    assert host.shown("word", "-x", "--name=value", "") == OWN


def test_a_named_file_brings_the_directory_that_the_image_lacks(host: Host) -> None:
    data = ["data/a/one", "data/a/two", "data/b/three"]
    for word in ("{}/data/a/one", "--input={}/data/a/one", "if={}/data/b", "{}/data/b/../a/./one", "{}//data/b/"):
        assert host.shown(word.format(host.host)) == sorted(OWN + data), word


def test_of_a_directory_that_both_have_only_what_is_named_is_shown(host: Host) -> None:
    host.write(host.host, "both/other", "x")
    assert host.shown(f"{host.host}/both/mine") == sorted([*OWN, "both/mine"])


def test_a_directory_of_libraries_is_never_shown_whole(host: Host) -> None:
    (host.host / "libexec").mkdir()
    host.write(host.host, "libexec/tool", "x")
    host.write(host.host, "libexec/other", "x")
    assert host.shown(f"{host.host}/libexec/tool") == sorted([*OWN, "libexec/tool"])
    assert host.shown(f"{host.host}/lib/host.so") == sorted([*OWN, "lib/host.so"])


def test_what_the_image_has_stays(host: Host) -> None:
    host.write(host.host, "both/own", "host's\n")
    late = [Operation("NAMED", ((str(host.host),),))]
    path = f"{host.host}/both/own"
    assert host.box.run("cat", path, late=late).stdout == "image\n"


def test_symbolic_links_are_followed_wherever_they_stand(host: Host, tmp_path: Path) -> None:
    (tmp_path / "direct").symlink_to(host.host / "data/a")
    (tmp_path / "chain").symlink_to("direct")
    (host.host / "alias").symlink_to("data/b")
    assert "data/a/two" in host.shown(f"{tmp_path}/chain/one")
    assert "data/a/two" in host.shown("chain/one", cwd=tmp_path)
    shown = host.shown(f"{host.host}/alias/three")
    assert {"alias/three", "data/b/three"} <= set(shown)
    (tmp_path / "loop").symlink_to("loop")
    assert host.shown(f"{tmp_path}/loop/x") == OWN


def test_a_file_that_is_still_to_be_made_brings_its_directory(host: Host) -> None:
    assert "data/a/one" in host.shown(f"{host.host}/data/a/new")


def test_the_current_directory_counts_as_named(host: Host) -> None:
    assert "data/a/one" in host.shown(cwd=host.host / "data/a")


def test_a_thousand_names_start_all_the_same(host: Host) -> None:
    assert "data/b/three" in host.shown(*[f"{host.host}/data/b/{n}" for n in range(1000)])


def test_names_that_are_no_paths_do_no_harm(host: Host) -> None:
    long = "x" * 5000
    assert host.shown(long, f"/{long}", f"{host.host}/{long}", "/" * 3000, "../" * 2000, "\x01\x02\x03") == OWN


def test_where_a_mount_point_cannot_be_made_the_start_goes_on(host: Host) -> None:
    late = [Operation("READONLY", ("/",)), Operation("NAMED", ((str(host.host),),))]
    done = host.box.run("cat", f"{host.host}/data/a/one", late=late)
    assert (done.returncode, "No such file" in done.stderr) == (1, True)
