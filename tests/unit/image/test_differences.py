"""What differs between images, and between a container and its image."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from layers import Item, directory, file, stack, symlink, tar_of, whiteout
from wherry.base.digest import Digest
from wherry.image.differences import changes, changes_of_folder
from wherry.image.local import Image
from wherry.image.model import ContainerConfig, Descriptor, HistoryEntry, ImageConfig, Manifest, RootFilesystem
from wherry.image.steps import history
from wherry.store import Layer


def _image(layers: tuple[Layer, ...], steps: tuple[HistoryEntry, ...] = ()) -> Image:
    digests = tuple(layer.meta.diff_id for layer in layers)
    config = ImageConfig("amd64", "linux", ContainerConfig(), RootFilesystem("layers", digests), history=steps)
    return Image("x", Digest.of(b""), "", Manifest("", Descriptor("", Digest.of(b""), 0), ()), config, layers)


def _layers(folder: Path, *layers: list[Item]) -> Image:
    return _image(stack([tar_of(items) for items in layers], folder))


def _shown(found: object) -> list[str]:
    return [f"{change.kind} {change.path}" for change in found]  # type: ignore[attr-defined]


def test_two_images_differ_in_content_mode_and_kind_but_not_in_time(tmp_path: Path) -> None:
    common = [directory("d"), file("same", b"1"), file("d/content", b"1"), file("mode", b"1"), file("kind", b"1")]
    one = _layers(tmp_path / "1", [*common, file("only", b"1"), symlink("link", "a")])
    two = _layers(
        tmp_path / "2",
        [
            directory("d"),
            file("same", b"1", mtime=5),
            file("d/content", b"2"),
            file("mode", b"1", mode=0o755),
            directory("kind"),
            file("kind/inner"),
            symlink("link", "b"),
            file("new/file"),
        ],
    )
    assert _shown(changes(one, two)) == [
        "C /d/content",
        "C /kind",
        "A /kind/inner",
        "C /link",
        "C /mode",
        "A /new",
        "A /new/file",
        "D /only",
    ]


def test_shared_layers_are_not_compared(tmp_path: Path) -> None:
    lower = stack([tar_of([file("a", b"1"), file("b", b"1")])], tmp_path / "1")
    upper = stack([tar_of([whiteout("a"), file("c", b"1")])], tmp_path / "2")
    os.chmod(f"{lower[0].tree}/b", 0)  # would fail if it were read
    assert _shown(changes(_image(lower), _image((*lower, *upper)))) == ["D /a", "A /c"]


def test_a_containers_changes_are_those_of_docker_diff(tmp_path: Path) -> None:
    """The upper folder is made by a real overlay, in a user namespace."""
    image = _layers(
        tmp_path / "image",
        [
            directory("etc"),
            file("etc/a", b"1"),
            file("etc/b", b"1"),
            directory("old"),
            file("old/x", b"1"),
            file("old/y", b"1"),
            directory("untouched"),
            file("untouched/f", b"1"),
        ],
    )
    upper = tmp_path / "upper"
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    script = (
        "mount -t overlay -o userxattr,lowerdir=$1,upperdir=upper,workdir=work none merged && cd merged &&"
        "echo 2 >etc/a && rm etc/b && mkdir -p new/deep && echo 1 >new/deep/f &&"
        "rm -r old && mkdir old && echo 1 >old/x"
    )
    command = ["unshare", "-Urm", "--propagation", "private", "sh", "-ec", script, "sh", image.layers[0].tree]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert _shown(changes_of_folder(image, str(upper))) == [
        "C /etc",
        "C /etc/a",
        "D /etc/b",
        "A /new",
        "A /new/deep",
        "A /new/deep/f",
        "C /old",
        "D /old/y",
        "C /old/x",
    ]


def test_history_pairs_steps_with_layers(tmp_path: Path) -> None:
    layers = stack([tar_of([file("a", b"12345")]), tar_of([file("b", b"1")]), tar_of([file("c", b"12")])], tmp_path)
    steps = (
        HistoryEntry(created_by="ADD a"),
        HistoryEntry(created_by="ENV x=1", empty_layer=True),
        HistoryEntry(created_by="ADD b"),
    )
    found = history(_image(layers, steps))
    assert [(step.created_by, step.size) for step in found] == [("ADD a", 5), ("ENV x=1", 0), ("ADD b", 1), ("", 2)]
    assert found[1].layer is None
