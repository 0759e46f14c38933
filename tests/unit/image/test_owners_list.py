"""The list by which a supervisor knows what the layers say of owners."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from layers import Item, directory, file, hardlink, symlink, tar_of, whiteout
from wherry.image import Below, owners_list
from wherry.image.making.copying import layer_of_tar
from wherry.store import Layer, Store, open_at


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def layers_of(store: Store, *layers: Sequence[Item]) -> tuple[Layer, ...]:
    found: list[Layer] = []
    for items in layers:
        made = layer_of_tar(store, found, lambda items=items: [tar_of(items)])  # type: ignore[misc]
        assert made is not None
        found.append(made.layer)
    return tuple(found)


def read(data: bytes) -> dict[str, tuple[str, dict[str, str]]]:
    """As the supervisor does: path, owner, number of attributes, these."""
    texts = iter(data.decode("utf-8", "surrogateescape").split("\0")[:-1])
    found = {}
    for path in texts:
        owner, count = next(texts), int(next(texts))
        found[path] = (owner, {next(texts): next(texts) for _ in range(count)})
    return found


def test_only_what_differs_from_an_unpacked_layer_is_listed(store: Store) -> None:
    capability = {"SCHILY.xattr.security.capability": "\x01\x02"}
    layers = layers_of(
        store,
        [
            *(directory("etc"), file("etc/plain"), file("etc/shadow", mode=0o640, gid=42), file("su", mode=0o4755)),
            *(directory("tmp", 0o1777), file("ping", mode=0o755, pax=capability), hardlink("su2", "su", 0o4755)),
            *(
                Item("link", tarfile.SYMTYPE, target="x", uid=7, mode=0o777),
                symlink("own", "x"),
                *(Item("null", tarfile.CHRTYPE), directory("dev"), Item("dev/null", tarfile.CHRTYPE)),
            ),
        ],
    )
    assert read(owners_list(store, layers)) == {
        "etc/shadow": ("0:42:0640", {}),
        "su": ("0:0:4755", {}),
        "su2": ("0:0:4755", {}),
        "tmp": ("0:0:1777", {}),
        "ping": ("0:0:0755", {"security.capability": "0102"}),
        "link": ("7:0:0777", {}),
        "null": ("0:0:0644:c:0:0", {}),
    }


def test_the_highest_layer_counts(store: Store) -> None:
    layers = layers_of(
        store,
        [directory("d"), *(file(f"d/{name}", uid=5) for name in ("kept", "gone", "ours", "theirs")), file("e", uid=5)],
        [file("d/ours"), whiteout("d/gone"), file("d/theirs", uid=9), directory("e")],
    )
    assert read(owners_list(store, layers)) == {"d/kept": ("5:0:0644", {}), "d/theirs": ("9:0:0644", {})}


def test_layer_upon_layer_gives_the_same_list(store: Store) -> None:
    """As a build asks, which makes one layer upon the other."""
    layers = layers_of(
        store,
        [directory("d", 0o1777), *(file(f"d/{name}", uid=5) for name in "abc"), file("e", uid=5), symlink("l", "d")],
        [
            file("d/a"),
            whiteout("d/b"),
            directory("e"),
            *(Item(name, tarfile.CHRTYPE) for name in ("null", "n/x", "n/y")),
        ],
        [file("other", mode=0o4755)],
        [file("d/a", gid=7), directory("l"), file("l/x", uid=1), file("null")],
        [whiteout("d"), file("d2/y", uid=2), whiteout("n/x")],
    )
    below = Below(store, layers[:1])
    for count in range(1, len(layers) + 1):
        assert owners_list(store, below) == owners_list(store, layers[:count])
        assert below.devices == Below(store, layers[:count]).devices
        if count < len(layers):
            below = Below(store, layers[: count + 1], below)
    assert set(read(owners_list(store, below))) == {"d2/y", "l/x", "n/y", "other"}


def test_what_an_earlier_step_left_comes_first(store: Store, tmp_path: Path) -> None:
    line = {"path": "d/l\udcff", "uid": 3, "gid": 4, "mode": 0o777, "xattrs": {}}
    (tmp_path / "owners").write_text(json.dumps(line) + "\n")
    layers = layers_of(store, [directory("d"), symlink("d/x", "y")])
    assert read(owners_list(store, layers, str(tmp_path / "owners"))) == {"d/l\udcff": ("3:4:0777", {})}


def test_an_image_of_roots_needs_no_list(store: Store) -> None:
    assert owners_list(store, layers_of(store, [directory("etc"), file("etc/plain")])) == b""
