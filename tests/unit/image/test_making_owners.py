"""What is noted of a layer's owners: found by a quick look through its table, the same as by a slow one."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import Item, directory, file, hardlink, make_removable, stack, tar_of
from wherry.base.errors import BrokenArchive
from wherry.image.making import owners
from wherry.image.making.scanning import scan
from wherry.image.table import read_entries
from wherry.store import Layer, open_at

_NAMES = st.sampled_from(
    ["a", "b/c", "b", "./d/e", "d//f", "b/./g", "n" * 120, "d/" + "é" * 60, ".h", "q/.wh.x", "b/\udcff"]
)
_KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE]
_ITEMS = st.lists(
    st.builds(
        Item,
        name=_NAMES,
        kind=st.sampled_from(_KINDS),
        data=st.just(b""),
        mode=st.sampled_from([0o644, 0o755, 0o4755, 0o2775, 0o1777, 0]),
        target=st.just("a"),
        uid=st.sampled_from([0, 0, 33, 3_000_000]),
        gid=st.sampled_from([0, 0, 42]),
        device=st.just((1, 3)),
        pax=st.sampled_from([{}, {}, {"SCHILY.xattr.security.capability": "x"}, {"SCHILY.xattr.user.a": "b"}]),
    ),
    max_size=12,
)


def _table(folder: Path, items: list[Item], form: int) -> str:
    """A table without any content elided, as every tar is one."""
    import struct

    import zstandard

    tar = tar_of(items, form)
    frames = b"".join(
        struct.pack("<I", len(tar[at : at + 3000])) + tar[at : at + 3000] + bytes(8) for at in range(0, len(tar), 3000)
    )
    path = folder / "table.zst"
    path.write_bytes(zstandard.compress(frames + bytes(12)))
    return str(path)


@settings(max_examples=60)
@given(_ITEMS, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_both_looks_see_the_same(items: list[Item], form: int) -> None:
    if form == tarfile.GNU_FORMAT:
        items = [Item(each.name, each.kind, each.data, each.mode, each.target, each.uid, each.gid) for each in items]
    with tempfile.TemporaryDirectory() as folder:
        path = _table(Path(folder), items, form)
        try:
            quick = owners._gathered(scan(path))
        except ValueError:
            return
        assert quick == owners._gathered(map(owners._scanned, read_entries(path)))


def test_an_unpacked_layer_is_looked_through_quickly(tmp_path: Path) -> None:
    items = [
        directory("etc"),
        file("etc/shadow", b"x" * 1000, 0o640, gid=42),
        file("unreadable", b"inlined" * 100, 0),
        file("later", b"y" * 513, uid=5),
        hardlink("same", "later"),
        file("deep/er/file", b"z"),
    ]
    (layer,) = stack([tar_of(items)], tmp_path)
    found = owners._gathered(scan(layer.table))
    assert {key: (each.uid, each.gid) for key, each in found.odd.items()} == {
        b"etc/shadow": (0, 42),
        b"later": (5, 0),
        b"same": (5, 0),
    }
    assert found.unnamed == {b"", b"deep", b"deep/er"}
    make_removable(tmp_path)


def test_what_the_quick_look_does_not_know_the_slow_one_finds(tmp_path: Path) -> None:
    large = file("large", b"x", gid=7, pax={"size": "1"})
    (layer,) = stack([tar_of([large])], tmp_path)
    with pytest.raises(ValueError):
        list(scan(layer.table))
    assert owners._from_table(layer).odd[b"large"].gid == 7


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    (layer,) = stack([tar_of([file("a", b"1" * 5000)])], tmp_path)
    data = Path(layer.table).read_bytes()
    Path(layer.table).write_bytes(data[:-20])
    with pytest.raises(BrokenArchive, match="damaged"):
        owners._from_table(layer)


def test_what_was_found_is_noted_and_a_bad_note_is_made_again(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    (layer,) = stack([tar_of([file("a", uid=7)])], tmp_path / "layer")
    assert owners.layer_owners(store, layer).odd[b"a"].uid == 7
    gone = Layer(layer.key, layer.tree, "/nowhere", layer.meta)
    assert owners.layer_owners(store, gone).odd[b"a"].uid == 7
    Path(f"{store.path}/owners/{layer.key}").write_bytes(b"\x93")
    assert owners.layer_owners(store, layer).odd[b"a"].uid == 7
    assert os.path.getsize(f"{store.path}/owners/{layer.key}") > 1
