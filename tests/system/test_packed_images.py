"""Packed images of all ages and makers: what they say of themselves, and what is unpacked of them."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from sif_files import Object, partition, sif_of, squashfs_of, tar_with
from wherry.base.digest import Digest
from wherry.base.errors import UnsupportedImage, WherryError
from wherry.image import is_packed, packed_facts, unpack_packed, view
from wherry.image.sif import read_sif, table_extent
from wherry.store import Store, open_at
from wherry_command import Wherry

COMPRESSIONS = ("gzip", "xz", "lzo", "lz4", "zstd", "lzma")
SHELL = b"#!/bin/sh\n"
SOURCE = SHELL + b'for script in /.singularity.d/env/*.sh; do . "$script"; done\nexec "$@"\n'
APPTAINER: dict[str, bytes | str] = {
    ".singularity.d/actions/exec": SOURCE,
    ".singularity.d/env/10-docker2singularity.sh": SHELL
    + b'export PATH="/opt/bin:/bin"\nexport GREETING="${GREETING:-"hello"}"\n',
    ".singularity.d/env/90-environment.sh": SHELL + b"export COMPUTED=$((6 * 7))\n",
    ".singularity.d/labels.json": b'{"org.label-schema.schema-version": "1.0", "maintainer": "a"}',
    ".singularity.d/Singularity": b"bootstrap: docker\nfrom: debian:12\n",
    ".singularity.d/runscript": SHELL + b'echo "run: $GREETING $COMPUTED $PATH $#"\n',
    "singularity": ".singularity.d/runscript",
}
PROGRAMS = ("bin/busybox", ".singularity.d/actions/exec", ".singularity.d/runscript", "singularity", "environment")


def files(**more: bytes | str) -> dict[str, bytes | str]:
    root: dict[str, bytes | str] = {"bin/busybox": Path("/bin/busybox").read_bytes(), "bin/sh": "busybox"}
    return {**root, "bin/echo": "busybox", "bin/env": "busybox", "etc/name": b"tiny\n", **APPTAINER, **more}


def apptainer_sif(path: Path, compression: str = "gzip", *, arch: bytes = b"02") -> Path:
    """A SIF file as Apptainer makes it from a Docker image."""
    squashfs = squashfs_of(path.with_suffix(".fs"), tar_with(files(), PROGRAMS), compression=compression).read_bytes()
    objects = [
        Object(0x4001, b"bootstrap: docker\nfrom: debian:12\n"),
        Object(0x4006, b'{"Cmd":["bash"]}', b"oci-config.json"),
        partition(squashfs, arch=arch),
    ]
    path.write_bytes(sif_of(objects, arch=arch))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_sif_of_apptainer_says_what_it_is(tmp_path: Path, compression: str) -> None:
    path = apptainer_sif(tmp_path / "image.sif", compression)
    facts = packed_facts(str(path))
    assert (facts.form, facts.compression, facts.architecture) == ("sif", compression, "amd64")
    assert facts.offset % 4096 == 0
    assert facts.labels["maintainer"] == "a"
    assert facts.definition == "bootstrap: docker\nfrom: debian:12\n"
    assert facts.config.config.env == ("PATH=/opt/bin:/bin", "GREETING=hello")
    assert facts.config.config.entrypoint == ("/.singularity.d/actions/exec",)
    assert facts.config.config.cmd == ("/.singularity.d/runscript",)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_it_is_unpacked_to_the_same_image_whatever_compressed_it(
    tmp_path: Path, store: Store, compression: str
) -> None:
    image = unpack_packed(store, str(apptainer_sif(tmp_path / "image.sif", compression)))
    other = unpack_packed(store, str(squashfs_of(tmp_path / "plain", tar_with(files(), PROGRAMS))))
    assert image.layers == other.layers
    tree = view(image)
    assert tree.read("/etc/name") == b"tiny\n"
    assert tree.read("/bin/sh", 1 << 24) == Path("/bin/busybox").read_bytes()
    assert tree.stat("/bin/sh", follow=False) is not None
    assert image.layers[0].meta.rebuildable


def test_it_is_unpacked_once(tmp_path: Path, store: Store) -> None:
    path = apptainer_sif(tmp_path / "image.sif")
    stages: list[str] = []
    first = unpack_packed(store, str(path), lambda event: stages.append(event.stage))
    assert "unpacking" in stages
    stages.clear()
    moved = path.rename(tmp_path / "renamed")
    again = unpack_packed(store, str(moved), lambda event: stages.append(event.stage))
    assert again.digest == first.digest
    assert "unpacking" not in stages


def test_it_runs_as_apptainer_runs_it(tmp_path: Path, wherry: Wherry) -> None:
    path = apptainer_sif(tmp_path / "image.sif")
    assert wherry.ok("run", str(path)) == "run: hello 42 /opt/bin:/bin 0\n"
    assert wherry.ok("run", "-e", "GREETING=hi", str(path), "sh", "-c", "echo $GREETING $COMPUTED") == "hi 42\n"
    shown = wherry("inspect", str(path)).json()[0]
    assert shown["Id"] == "" and shown["Config"]["Cmd"] == ["/.singularity.d/runscript"]


def test_one_for_another_machine_is_refused_by_name(tmp_path: Path, wherry: Wherry) -> None:
    path = apptainer_sif(tmp_path / "image.sif", arch=b"11")
    refused = wherry("run", str(path), "true")
    assert refused.status == 125
    assert "s390x" in refused.stderr


def test_an_image_of_singularity_2_is_read_behind_its_first_line(tmp_path: Path, store: Store) -> None:
    squashfs = squashfs_of(tmp_path / "fs", tar_with(files(), PROGRAMS)).read_bytes()
    path = tmp_path / "old.simg"
    path.write_bytes(b"#!/usr/bin/env run-singularity\n" + squashfs)
    facts = packed_facts(str(path))
    assert (facts.form, facts.offset) == ("squashfs", 31)
    assert view(unpack_packed(store, str(path))).read("/etc/name") == b"tiny\n"


def test_the_oldest_images_have_their_environment_in_one_file(tmp_path: Path) -> None:
    root = {"bin/sh": b"x", "environment": SHELL + b"export A=1\n", "singularity": SHELL}
    path = squashfs_of(tmp_path / "old", tar_with(root, PROGRAMS))
    config = packed_facts(str(path)).config.config
    assert config.entrypoint[:2] == ("/bin/sh", "-c")
    assert "/environment" in config.entrypoint[2]
    assert config.cmd == ("/singularity",)


def test_charliecloud_says_its_variables_in_a_file_of_its_own(tmp_path: Path) -> None:
    root: dict[str, bytes | str] = {"bin/sh": b"x", "ch/environment": b"PATH=/a:/b\nLANG=C\nnonsense\n"}
    facts = packed_facts(str(squashfs_of(tmp_path / "it", tar_with(root))))
    assert facts.config.config.env == ("PATH=/a:/b", "LANG=C")


ENROOT = b"""# org.example.kind test

mkdir -p "/opt/data" 2> /dev/null
cd "/opt/data" && unset OLDPWD || exit 1

if [ -s /etc/rc.local ]; then
    . /etc/rc.local
fi

if [ $# -gt 0 ]; then
    exec '/bin/echo' "$@"
else
    exec '/bin/echo' 'by default'
fi
"""


def test_an_image_of_enroot_runs_by_its_script(tmp_path: Path, wherry: Wherry) -> None:
    root = {**files(), "etc/rc": ENROOT, "etc/environment": b"WHERE=enroot\n", "opt/data/x": b""}
    root = {name: content for name, content in root.items() if not name.startswith((".singularity.d", "singularity"))}
    path = squashfs_of(tmp_path / "image.sqsh", tar_with(root, PROGRAMS))
    facts = packed_facts(str(path))
    assert facts.labels == {"org.example.kind": "test"}
    assert facts.config.config.env == ("WHERE=enroot",)
    assert wherry.ok("run", str(path)) == "by default\n"
    assert wherry.ok("run", str(path), "hello") == "hello\n"


def oci_sif(layers: int, tmp_path: Path, media: str = "application/vnd.sylabs.image.layer.v1.squashfs") -> bytes:
    squashfs = squashfs_of(tmp_path / "fs", tar_with({"bin/sh": b"x", "etc/name": b"oci\n"})).read_bytes()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["A=b"], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * layers},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [described(squashfs, media)] * layers,
        }
    ).encode()
    named = described(manifest, "application/vnd.oci.image.manifest.v1+json")
    index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    blobs = [Object(0x400B, data, extra=str(Digest.of(data)).encode()) for data in (squashfs, config, manifest)]
    return sif_of([*blobs, Object(0x400A, index)], arch=b"00")


def described(data: bytes, media: str) -> dict[str, object]:
    return {"mediaType": media, "digest": str(Digest.of(data)), "size": len(data)}


def test_an_oci_sif_of_one_layer_is_read(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "image.oci.sif"
    path.write_bytes(oci_sif(1, tmp_path))
    facts = packed_facts(str(path))
    assert (facts.architecture, facts.config.config.env) == ("amd64", ("A=b",))
    assert view(unpack_packed(store, str(path))).read("/etc/name") == b"oci\n"


@pytest.mark.parametrize("layers", [0, 2])
def test_an_oci_sif_of_several_is_refused_with_a_way_out(tmp_path: Path, layers: int) -> None:
    path = tmp_path / "image.oci.sif"
    path.write_bytes(oci_sif(layers, tmp_path))
    with pytest.raises(UnsupportedImage) as error:
        packed_facts(str(path))
    assert "singularity pull --oci" in error.value.hint


def with_ext3(offset: int) -> bytes:
    data = bytearray(offset + 8192)
    data[offset + 1024 + 56 : offset + 1024 + 58] = b"\x53\xef"
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (sif_of([partition(b"x" * 4096, system=5)]), "encrypted"),
        (sif_of([partition(with_ext3(0), system=2)]), "ext3"),
        (sif_of([partition(b"x" * 4096, system=4)]), "kind 4"),
        (sif_of([partition(b"x" * 4096, kind=3)]), "no partition with an operating system"),
        (sif_of([Object(0x4001, b"only a definition")]), "no partition with an operating system"),
        (b"#!/usr/bin/env run-singularity\n" + with_ext3(0), "ext3"),
        (sif_of([partition(b"")]), "empty"),
        (sif_of([partition(bytes(4096))]), "no squashfs"),
    ],
    ids=["encrypted", "ext3", "raw", "data only", "definition only", "ext3 of 2.x", "empty", "zeros"],
)
def test_what_cannot_run_is_refused_by_what_it_is(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "image.sif"
    path.write_bytes(content)
    with pytest.raises(WherryError) as error:
        packed_facts(str(path))
    assert why in str(error.value)


def test_packed_files_are_told_by_their_content(tmp_path: Path) -> None:
    squashfs = squashfs_of(tmp_path / "a.txt", tar_with({"bin/sh": b"x"}))
    assert is_packed(str(squashfs))
    (tmp_path / "b.sif").write_bytes(b"<html>404</html>" * 10)
    assert not is_packed(str(tmp_path / "b.sif"))
    assert not is_packed(str(tmp_path))
    assert not is_packed(str(tmp_path / "missing"))


def test_owners_modes_links_and_attributes_come_along(tmp_path: Path, store: Store) -> None:
    """What a user cannot have on disk is in the layer's table, so a tar of the image has it again."""
    from wherry.image.table import read_entries

    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir" / "file").write_bytes(b"x" * 300_000)
    (tree / "dir" / "link").hardlink_to(tree / "dir" / "file")
    (tree / "hole").write_bytes(b"")
    with (tree / "hole").open("wb") as hole:
        hole.truncate(1 << 20)
    pseudo = ["-p", "dir/null c 666 0 0 1 3", "-p", "dir/file m 4755 7 8", "-p", "dir m 1777 0 0"]
    path = tmp_path / "it.sqfs"
    subprocess.run(["mksquashfs", str(tree), str(path), "-quiet", "-no-progress", *pseudo], check=True)
    image = unpack_packed(store, str(path))
    entries = {entry.path: entry for entry in read_entries(image.layers[0].table)}
    assert (entries["dir/file"].mode, entries["dir/file"].uid, entries["dir/file"].gid) == (0o4755, 7, 8)
    assert entries["dir/link"].kind == "link"
    assert (entries["dir/null"].kind, entries["dir/null"].device) == ("char", (1, 3))
    assert entries["dir"].mode == 0o1777
    there = Path(image.layers[0].tree)
    assert (there / "hole").read_bytes() == bytes(1 << 20)
    assert (there / "dir/file").stat().st_ino == (there / "dir/link").stat().st_ino
    assert not stat.S_IMODE((there / "dir/file").stat().st_mode) & stat.S_ISUID


REFERENCE = Path("/usr/share/gocode/src/github.com/sylabs/sif/test/images")
"""Files that the reference implementation of SIF wrote, old ones too (Debian: golang-github-sylabs-sif-dev)."""


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference implementation's SIF files are not here")
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("empty", []),
        ("one-group", [0x4004, 0x4004]),
        ("one-group-signed", [0x4004, 0x4004, 0x4005]),
        ("one-group-signed-legacy", [0x4004, 0x4004, 0x4005]),
        ("two-groups-signed-legacy-all", [0x4004, 0x4004, 0x4004, 0x4005, 0x4005]),
        ("one-object-generic-json", [0x4006]),
        ("one-object-crypt-message", [0x4008]),
        ("one-object-sbom", [0x4009]),
    ],
)
def test_the_reference_implementations_files_are_read(name: str, kinds: list[int]) -> None:
    data = (REFERENCE / f"{name}.sif").read_bytes()
    offset, length = table_extent(data[:4096], len(data), name)
    found = read_sif(data[:4096], data[offset : offset + length], len(data), name)
    assert [item.kind for item in found.objects] == kinds


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference implementation's SIF files are not here")
def test_so_is_the_file_system_in_them() -> None:
    facts = packed_facts(str(REFERENCE / "two-groups-signed.sif"))
    assert (facts.form, facts.architecture, facts.compression, facts.offset) == ("sif", "386", "gzip", 36864)
