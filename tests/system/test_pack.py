"""``wherry pack``: one file, the same bytes each time, with all of the image in it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

import images
from waiting import until
from wherry.image import Image, load_file, pack, packed_facts, unpack_packed
from wherry.image.packing import PackOptions
from wherry.image.rootfs import root_tar
from wherry.store import Store, open_at
from wherry_command import Wherry


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_at(str(tmp_path_factory.mktemp("packing") / "store"))


@pytest.fixture(scope="module")
def layered_image(store: Store) -> Image:
    return load_file(store, str(images.image("layered")))


@pytest.fixture(scope="module")
def small(store: Store) -> Image:
    return load_file(store, str(images.image("small")))


def entries(image: Image) -> dict[str, tuple[object, ...]]:
    """All that the image's tar says, but for the root directory's time."""
    data = b"".join(root_tar(image))
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for item in tar:
            content = tar.extractfile(item).read() if item.isreg() else b""  # type: ignore[union-attr]
            facts = (item.type, item.mode, item.uid, item.gid, item.linkname, item.devmajor, item.devminor)
            attributes = sorted((key, value) for key, value in item.pax_headers.items() if "xattr" in key)
            path = item.name.strip("./")
            found[path] = (*facts, int(item.mtime) if path else 0, hashlib.sha256(content).hexdigest(), attributes)
    return found


@pytest.mark.parametrize("name", ["image.sif", "image.sqfs"])
def test_the_same_image_gives_the_same_bytes(store: Store, layered_image: Image, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    pack(store, layered_image, str(first))
    pack(store, layered_image, str(second))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind"), [("image.sif", "layered"), ("image.sqfs", "layered"), ("image.sif", "small")]
)
def test_all_of_the_image_comes_back(
    store: Store, request: pytest.FixtureRequest, tmp_path: Path, name: str, kind: str
) -> None:
    """Owners, modes, devices, links and attributes; the configuration to the byte; nothing of what Apptainer needs."""
    image: Image = request.getfixturevalue("layered_image" if kind == "layered" else "small")
    path = tmp_path / name
    pack(store, image, str(path))
    assert packed_facts(str(path)).config_data == store.read_blob(image.manifest.config.digest)
    back = unpack_packed(store, str(path))
    had, have = entries(image), entries(back)
    had.pop("", None), have.pop("", None)
    assert have == had
    assert back.config.config == image.config.config


@pytest.mark.parametrize("compression", ["zstd", "gzip", "xz", "lz4", "lzo", "none"])
def test_each_compression(store: Store, layered_image: Image, tmp_path: Path, compression: str) -> None:
    path = tmp_path / "image.sif"
    pack(store, layered_image, str(path), PackOptions("sif", compression, 1 << 16))
    facts = packed_facts(str(path))
    assert facts.block_size == 1 << 16
    assert facts.superblock is not None
    assert facts.superblock.compressed == (compression != "none")
    assert compression in (facts.compression, "none")


def test_the_command_packs_and_runs(seeded: Wherry, tmp_path: Path) -> None:
    path = tmp_path / "tiny.sif"
    assert seeded.ok("pack", "-q", "tiny", str(path)) == f"{path}\n"
    assert seeded.ok("run", str(path), "echo", "runs") == "runs\n"
    assert os.access(path, os.X_OK)
    head = path.read_bytes()[:42]
    assert head.startswith(b"#!/usr/bin/env run-singularity\n")
    assert head.endswith(b"SIF_MAGIC\0")
    assert os.listdir(tmp_path) == ["tiny.sif"]


def test_what_is_packed_is_packed_again(seeded: Wherry, tmp_path: Path) -> None:
    sif, squashfs, second = (str(tmp_path / name) for name in ("a.sif", "a.sqfs", "b.sqfs"))
    seeded.ok("pack", "tiny", sif)
    seeded.ok("pack", sif, squashfs)
    seeded.ok("pack", "--compression", "gzip", squashfs, second)
    facts = packed_facts(second)
    assert facts.compression == "gzip"
    assert seeded.ok("run", second, "cat", "/etc/os-release") == seeded.ok("run", "tiny", "cat", "/etc/os-release")


def test_a_directory_is_packed_as_roots(seeded: Wherry, tmp_path: Path) -> None:
    tree = tmp_path / "root"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tree / "bin" / "busybox").chmod(0o755)
    (tree / "bin" / "sh").symlink_to("busybox")
    path = tmp_path / "it.sqfs"
    seeded.ok("pack", f"{tree}/", str(path))
    listed = subprocess.run(["unsquashfs", "-lln", str(path)], capture_output=True, text=True, check=True).stdout
    assert " 0/0 " in listed
    assert f" {os.getuid()}/" not in listed
    assert seeded.ok("run", str(path), "sh", "-c", "echo runs") == "runs\n"


def test_source_date_epoch_gives_the_times(seeded: Wherry, tmp_path: Path) -> None:
    path = tmp_path / "it.sif"
    seeded.ok("pack", "tiny", str(path), env={"SOURCE_DATE_EPOCH": "1000000000"})
    facts = packed_facts(str(path))
    assert facts.superblock is not None
    assert facts.superblock.created == 1_000_000_000
    refused = seeded("pack", "tiny", str(path), env={"SOURCE_DATE_EPOCH": "yesterday"})
    assert refused.status == 125
    assert "SOURCE_DATE_EPOCH" in refused.stderr


SCRIPTED = {
    "Env": ["PATH=/bin", "QUOTED=a \"b\" $c `d` \\e 'f'", "PLAIN=x"],
    "Entrypoint": ["/bin/echo", "it's"],
    "Cmd": ["one two", "$HOME"],
    "Labels": {"kind": "scripted"},
}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SIF file whose image has words that shells would take apart."""
    folder = tmp_path_factory.mktemp("scripted")
    images.write_layout(folder / "layout", [images.tiny_layer()], SCRIPTED)
    store = open_at(str(folder / "store"))
    pack(store, load_file(store, str(folder / "layout")), str(folder / "image.sif"))
    return folder / "image.sif"


@pytest.mark.parametrize(
    ("words", "out"),
    [((), "it's one two $HOME\n"), (("three  four",), "it's three  four\n")],
    ids=["as the image says", "with words of the user's"],
)
def test_apptainers_way_in_does_as_the_image_says(
    wherry: Wherry, scripted: Path, words: tuple[str, ...], out: str
) -> None:
    """The scripts that Apptainer and Singularity start are run here by the image's shell."""
    run = ("run", "--entrypoint", "/.singularity.d/actions/run", str(scripted))
    assert wherry.ok(*run, *words) == out


def test_its_scripts_set_the_images_variables(wherry: Wherry, scripted: Path) -> None:
    script = 'unset QUOTED; exec /.singularity.d/actions/exec sh -c \'printf "%s|%s" "$QUOTED" "$PLAIN"\''
    run = ("run", "-e", "PLAIN=mine", "--entrypoint", "/bin/sh", str(scripted), "-c", script)
    assert wherry.ok(*run) == "a \"b\" $c `d` \\e 'f'|mine"


def test_its_labels_are_the_images_and_apptainers(wherry: Wherry, scripted: Path) -> None:
    """The same in the file as in its table; an image that is made of it has its own alone."""
    labels = json.loads(wherry.ok("run", "--entrypoint", "cat", str(scripted), "/.singularity.d/labels.json"))
    assert {"kind": "scripted", "org.label-schema.schema-version": "1.0"}.items() <= labels.items()
    assert labels["org.label-schema.build-arch"] in ("amd64", "arm64")
    assert packed_facts(str(scripted)).labels == labels
    digest = wherry.ok("load", "-q", "-i", str(scripted)).split()[-1]
    wherry.ok("tag", digest.rpartition(":")[2], "again")
    assert json.loads(wherry.ok("inspect", "again"))[0]["Config"]["Labels"] == {"kind": "scripted"}


def test_a_killed_pack_leaves_what_was_there(seeded: Wherry, tmp_path: Path, small_image: str) -> None:
    path = tmp_path / "small.sif"
    path.write_bytes(b"before")
    seeded.ok("pull", "-q", small_image)
    process = seeded.start("pack", "--compression", "xz", small_image, str(path), start_new_session=True)
    until(lambda: _is_packing(process.pid))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not _is_packing(process.pid))
    assert os.listdir(tmp_path) == ["small.sif"]
    assert path.read_bytes() == b"before"


def _is_packing(session: int) -> bool:
    """Whether the session has a mksquashfs that runs."""
    done = subprocess.run(["pgrep", "-s", str(session), "mksquashfs"], capture_output=True, check=False)
    return done.returncode == 0


def test_a_full_disk_is_an_error_and_leaves_nothing(seeded: Wherry, tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=300k tmpfs "$1" && wherry pack tiny "$1/tiny.sif"; s=$?; ls -A "$1"; exit $s'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", str(tmp_path)],
        env=seeded.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 125, done.stderr
    assert done.stdout == ""
    assert "does not fit" in done.stderr or "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("tiny", "/nonexistent/x.sif"), "make the folder"),
        (("tiny", "."), "it is no file"),
        (("--block-size", "100K", "tiny", "x.sif"), "powers of two"),
        (("--compression", "best", "tiny", "x.sif"), "best"),
        (("--format", "ext3", "tiny", "x.sif"), "ext3"),
    ],
)
def test_what_cannot_be_is_refused(seeded: Wherry, tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    refused = seeded("pack", *arguments, cwd=tmp_path)
    assert refused.status == 125
    assert why in refused.stderr
    assert os.listdir(tmp_path) == []


def test_without_mksquashfs_it_says_what_to_ask_for(seeded: Wherry, tmp_path: Path) -> None:
    refused = seeded("pack", "tiny", "x.sif", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert refused.status == 125
    assert "squashfs-tools" in refused.stderr


def test_a_dry_run_says_what_it_would_write(seeded: Wherry, tmp_path: Path) -> None:
    assert "write" in seeded.ok("pack", "--dry-run", "tiny", "x.sqfs", cwd=tmp_path)
    assert os.listdir(tmp_path) == []
