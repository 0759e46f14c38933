"""``wherry import-store`` on stores that were broken or made to harm: each image is left with the reason, or taken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sif_files import Object, partition, sif_of, squashfs_of, tar_with
from wherry.base.outside import Outside
from wherry.containers import World
from wherry.containers.theirs import find_theirs
from wherry.containers.trees import remove_tree
from wherry_command import Wherry

CONFIG = "sha256:" + "ab" * 32
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": CONFIG},
    "layers": [],
}


@pytest.fixture
def alone(tmp_path: Path) -> Wherry:
    """In an empty store, with no program in PATH."""
    return Wherry(tmp_path / "wherry", {"PATH": str(tmp_path)})


def udocker(folder: Path, manifest: bytes, name: str = "lab/tool/1") -> Path:
    (folder / "repos" / name).mkdir(parents=True)
    (folder / "layers").mkdir(exist_ok=True)
    (folder / "repos" / name / "TAG").touch()
    (folder / "repos" / name / "manifest").write_bytes(manifest)
    return folder


def left(wherry: Wherry, program: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of an import of which nothing came, and which did not break."""
    result = wherry("import-store", "--from", program, str(folder), "--format", "json", timeout=60)
    assert result.status == 125 and "bug in wherry" not in result.stderr and "Traceback" not in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows and {row["State"] for row in rows} == {"left"}, rows
    assert all(row["Why"] for row in rows)
    assert wherry.ok("images", "-q") == ""
    assert not os.listdir(wherry.folder / "store/tmp")
    return rows


def secret(folder: Path) -> None:
    """A blob that is a link to a file of the user's."""
    (folder / "private").write_text("secret")
    (folder / "layers" / CONFIG).symlink_to(folder / "private")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "layers" / CONFIG)


def loop(folder: Path) -> None:
    (folder / "layers" / CONFIG).symlink_to(CONFIG)


def other_bytes(folder: Path) -> None:
    (folder / "layers" / CONFIG).write_text("{}")


@pytest.mark.parametrize("spoil", [secret, pipe, loop, other_bytes])
def test_a_blob_that_is_not_what_its_name_says_is_left(
    alone: Wherry, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    store = udocker(tmp_path / "u", json.dumps(MANIFEST).encode())
    spoil(store)
    left(alone, "udocker", store)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"schemaVersion":1}',
        json.dumps(
            {**MANIFEST, "config": {"digest": "sha256:../../../etc/passwd", "size": 1, "mediaType": "x"}}
        ).encode(),
        json.dumps({**MANIFEST, "manifests": []}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_manifest_that_is_none_is_left(alone: Wherry, tmp_path: Path, manifest: bytes) -> None:
    left(alone, "udocker", udocker(tmp_path / "u", manifest))


def test_a_store_that_contains_itself_ends(alone: Wherry, tmp_path: Path) -> None:
    store = udocker(tmp_path / "u", b"{}")
    (store / "repos/lab/again").symlink_to(store / "repos")
    assert len(left(alone, "udocker", store)) == 1


def test_folders_deeper_than_calls_nest_are_looked_through(alone: Wherry, tmp_path: Path) -> None:
    store = udocker(tmp_path / "u", b"{}")
    descriptor = os.open(store / "repos", os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("a", dir_fd=descriptor)
        inner = os.open("a", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    try:
        assert len(left(alone, "udocker", store)) == 1
    finally:
        remove_tree(str(store))  # pytest cannot


def test_a_container_without_files_is_left_and_one_with_odd_ones_comes_without_them(
    alone: Wherry, tmp_path: Path
) -> None:
    store = udocker(tmp_path / "u", b"{}")
    (store / "containers/one/ROOT").mkdir(parents=True)
    (store / "containers/name").symlink_to("one")
    (store / "containers/nowhere").symlink_to("gone")
    (store / "containers/one/container.json").write_text('{"config": {"Env": [1, "A=b\\nc"], "Cmd": "x"}}')
    assert {row["Theirs"] for row in left(alone, "udocker", store)} == {"lab/tool:1", "container name"}
    root = store / "containers/one/ROOT"
    (root / "bin").mkdir()
    (root / "bin/file").write_text("x")
    (root / "out").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    result = alone("import-store", "--from", "udocker", str(store), "--format", "json")
    states = {row["Theirs"]: row["State"] for row in map(json.loads, result.stdout.splitlines())}
    assert states["container name"] == "brought", result.stderr


@pytest.mark.parametrize("content", [b"SIF", b"\0" * 32 + b"SIF_MAGIC\0" + b"\0" * 100, b"hsqs" + b"\xff" * 200])
def test_a_broken_file_in_apptainers_cache_is_left(alone: Wherry, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cache/oci-tmp").mkdir(parents=True)
    (tmp_path / "cache/oci-tmp" / ("ab" * 32)).write_bytes(content)
    if content == b"SIF":  # no image at all: passed over
        result = alone("import-store", "--from", "apptainer", str(tmp_path / "cache"))
        assert (result.status, result.stderr) == (0, "wherry: note: nothing was found\n")
    else:
        left(alone, "apptainer", tmp_path / "cache")


def test_names_that_cannot_be_names_here_bring_the_image_all_the_same(alone: Wherry, tmp_path: Path) -> None:
    tree = tmp_path / "ch/img/Not A%Name+1"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/file").write_text("x")
    result = alone("import-store", "--from", "charliecloud", str(tmp_path / "ch"), "--format", "json")
    [row] = map(json.loads, result.stdout.splitlines())
    assert (result.status, row["State"], row["Theirs"]) == (0, "brought", "Not A/Name:1")
    alone.ok("prune", "-f")
    assert len(alone.ok("images", "-q").split()) == 1


def world_of(folder: Path) -> World:
    """One whose place for Charliecloud is ``FOLDER.ch``, in ``/var/tmp`` by a detour: the real one is other tests'."""
    world = World(Outside({"HOME": str(folder)}), make_store=False)
    world.host = msgspec.structs.replace(world.host, user=f"../..{folder}")
    return world


def test_what_others_can_write_is_left_unless_it_is_named(tmp_path: Path) -> None:
    place, world = tmp_path / "me.ch", world_of(tmp_path / "me")
    (place / "img/debian+12/bin").mkdir(parents=True)
    assert [item.name for item in find_theirs("charliecloud", "", world)] == ["debian:12"]
    place.chmod(0o777)
    [item] = find_theirs("charliecloud", "", world)
    assert os.path.realpath(item.name) == os.path.realpath(place) and not item.references
    assert "others can write there" in item.why
    assert [item.name for item in find_theirs("charliecloud", str(place), world)] == ["debian:12"]


def test_what_somebody_else_keeps_where_ours_would_be_is_left(alone: Wherry, tmp_path: Path) -> None:
    """Links to root's, since nobody else's can be made here."""
    for name in (".udocker", ".apptainer/cache"):
        place = alone.folder / "home" / name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to("/usr")
    for program in ("udocker", "apptainer"):
        result = alone("import-store", "--from", program, "--format", "json")
        [row] = map(json.loads, result.stdout.splitlines())
        assert (result.status, row["State"]) == (125, "left") and "somebody else's" in row["Why"], str(result)
    (tmp_path / "me.ch").symlink_to("/usr")
    [item] = find_theirs("charliecloud", "", world_of(tmp_path / "me"))
    assert "somebody else's" in item.why


def test_what_somebody_else_made_has_no_names_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Though its place is given: it could call itself debian."""
    (tmp_path / "ch/img/debian+12/bin").mkdir(parents=True)
    (tmp_path / "udocker/containers/one/ROOT/bin").mkdir(parents=True)
    (tmp_path / "udocker/repos").mkdir()
    world = world_of(tmp_path)
    for program, place in (("charliecloud", "ch"), ("udocker", "udocker")):
        [mine] = find_theirs(program, str(tmp_path / place), world)
        assert mine.references
        with monkeypatch.context() as context:
            context.setattr(os, "geteuid", lambda: 65533)
            [theirs] = find_theirs(program, str(tmp_path / place), world)
        assert theirs.references == () and theirs.name == mine.name


def test_only_what_apptainer_made_itself_is_called_what_its_definition_says(tmp_path: Path) -> None:
    """A file from a library was made by somebody, who wrote the definition in it."""
    system = squashfs_of(tmp_path / "fs", tar_with({"bin/sh": b"x"})).read_bytes()
    definition = Object(0x4001, b"Bootstrap: docker\nFrom: debian:12\n")
    for kind in ("oci-tmp", "library", "oras", "shub", "net"):
        (tmp_path / "cache" / kind).mkdir(parents=True)
        (tmp_path / "cache" / kind / f"{kind}_latest.sif").write_bytes(sif_of([definition, partition(system)]))
    found = find_theirs("apptainer", str(tmp_path / "cache"), world_of(tmp_path))
    names = {item.references for item in found}
    assert names == {
        ("debian:12",),
        *((f"localhost/{kind}/{kind}:latest",) for kind in ("library", "oras", "shub", "net")),
    }
