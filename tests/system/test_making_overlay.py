"""Layers of what real overlays hold: what a container saw is what the image shows, wherever it is unpacked."""

from __future__ import annotations

import base64
import itertools
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import images
from layers import apply, directory, file, make_removable, symlink, tar_of
from making import change, entries, seen_through, tar_bytes
from wherry.base.errors import ImageError
from wherry.image import Rules, changes, copy_layer, load_images, make_image, make_layer, squash, view
from wherry.image.making.copying import layer_of_tar
from wherry.store import Layer, LayerMeta, Store, open_at

_BASE = (
    directory("a"),
    directory("a/b"),
    file("a/b/deep", b"1" * 600, 0o640, gid=42),
    file("a/one", b"one"),
    file("a/two", b"two" * 1000, 0o4755),
    directory("c"),
    file("c/x", b"x"),
    symlink("link", "a/one"),
    directory("empty"),
    file("top", b"top"),
)
_UPPER = (file("a/one", b"another"), directory("c"), file("c/y", b"y", uid=5), file(".wh.top"), directory("a"))

_PLACES = [
    "a",
    "a/b",
    "a/b/deep",
    "a/one",
    "a/two",
    "c",
    "c/x",
    "c/y",
    "link",
    "empty",
    "top",
    "new",
    "new/in",
    "a/\udce9",
]


def _steps() -> st.SearchStrategy[list[list[object]]]:
    """Things that a container does; what is not possible at the time is left out by :func:`_tolerant`."""
    place = st.sampled_from(_PLACES)
    mode = st.sampled_from([0o600, 0o644, 0o755, 0o555, 0o1777, 0o2770, 0o700])
    return st.lists(
        st.one_of(
            st.tuples(st.just("write"), place, st.text("xyz", max_size=4), mode).map(list),
            st.tuples(st.just("append"), place, st.just("more")).map(list),
            st.tuples(st.just("remove"), place).map(list),
            st.tuples(st.just("mkdir"), place, mode).map(list),
            st.tuples(st.just("chmod"), place, mode).map(list),
            st.tuples(st.just("rename"), place, place).map(list),
            st.tuples(st.just("link"), place, place).map(list),
            st.tuples(st.just("symlink"), place, place).map(list),
            st.tuples(st.just("mkfifo"), place).map(list),
            st.tuples(st.just("touch"), place, st.sampled_from([0, 1_500_000_000.75, 4e9])).map(list),
            st.tuples(st.just("attribute"), place, st.just("user.a"), st.just(base64.b64encode(b"\0b").decode())).map(
                list
            ),
        ),
        min_size=1,
        max_size=25,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, tuple[Layer, ...]]]:
    folder = tmp_path_factory.mktemp("base")
    store = open_at(str(folder / "store"))
    layers: list[Layer] = []
    for items in (_BASE, _UPPER):
        made = layer_of_tar(store, layers, lambda items=items: [tar_of(items)])  # type: ignore[misc]
        assert made is not None
        layers.append(made.layer)
    yield store, tuple(layers)
    make_removable(folder)


@settings(max_examples=15)
@given(steps=_steps())
def test_any_changes_are_seen_again_through_their_layer(
    base: tuple[Store, tuple[Layer, ...]], steps: list[list[object]]
) -> None:
    store, below = base
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            upper, seen = change(below, folder / "box", steps)
            copied = copy_layer(store, below, str(upper))
            made = make_layer(store, below, str(upper))
            assert (made is None) == (copied is None)
            if made is None or copied is None:
                assert _times_apart(seen) == _times_apart(seen_through(below, folder / "none"))
                return
            assert copied.diff_id == made.diff_id
            shown = seen_through((*below, made.layer), folder / "here")
            assert _known(shown, made.layer) == _known(seen, made.layer)
            tar = tar_bytes(made.layer)
            apply(tar, folder / "there", expected=made.diff_id)
            meta = LayerMeta(made.diff_id, 0, 0, 0, overlay=True, rebuildable=True)
            there = Layer("x", f"{folder}/there/tree", f"{folder}/there/table.zst", meta)
            assert seen_through((*below, there), folder / "elsewhere") == shown
            try:
                whole = squash(store, (*below, made.layer))
            except ImageError:
                assert any(each.isdir() and each.mode & 0o500 != 0o500 for each in entries(tar).values())
            else:
                assert whole is not None
                assert _merged(whole.layer) == _merged(*below, made.layer)
        finally:
            make_removable(folder)


def _known(seen: dict[str, object], layer: Layer) -> dict[str, object]:
    """Without set-id bits and others' permission to write, which a store's tree never has, and without the times of
    directories that the layer does not name."""
    named = entries(tar_bytes(layer))
    found: dict[str, object] = {}
    for path, facts in seen.items():
        assert isinstance(facts, dict)
        kind = int(str(facts["mode"]), 8)
        known = {**facts, "mode": oct(kind & ~0o6022) if not str(facts["mode"]).startswith("0o12") else ""}
        if str(facts["mode"]).startswith("0o4") and path not in named:
            known.pop("time")
        found[path] = known
    return found


def _times_apart(seen: dict[str, object]) -> dict[str, object]:
    return {path: {**facts, "time": 0} for path, facts in seen.items() if isinstance(facts, dict)}


def _merged(*layers: Layer) -> list[tuple[object, ...]]:
    from wherry.image.rootfs import layers_tar

    whole = entries(b"".join(layers_tar(layers)))
    return [(name, each.type, each.mode, each.uid, each.gid, each.size, each.linkname) for name, each in whole.items()]


def test_the_same_changes_give_the_same_image_in_two_stores(tmp_path: Path) -> None:
    """Only the epoch is the same: the files were written at other times, in other places."""
    digests = []
    for number in range(2):
        store = open_at(str(tmp_path / f"store{number}"))
        (base,) = load_images(store, str(images.image("tiny")))
        names = ["write", "data", "1"], ["mkdir", "new"], ["write", "new/file", "2"], ["remove", "etc/os-release"]
        upper, _ = change(base.layers, tmp_path / f"box{number}", names if number else [*names[1:], names[0]])
        made = make_layer(store, base.layers, str(upper), rules=Rules(epoch=1_600_000_000))
        assert made is not None
        image = make_image(store, None, base.config, [*base.layers, made], base=base)
        digests.append(image.digest)
    assert digests[0] == digests[1]


def test_it_is_the_layer_that_umoci_makes(tmp_path: Path) -> None:
    """The same changes to a tree that umoci unpacked, packed by umoci: content, permissions, kinds, links."""
    store = open_at(str(tmp_path / "store"))
    (base,) = load_images(store, str(images.image("tiny")))
    steps: list[list[object]] = [
        ["write", "bin/tool", "#!", 0o755],
        ["link", "bin/tool", "bin/same"],
        ["symlink", "tool", "bin/link"],
        ["remove", "etc/group"],
        ["remove", "var"],
        ["append", "etc/passwd", "more"],
        ["chmod", "home", 0o700],
        ["mkfifo", "pipe"],
        ["write", "n" * 200, "long"],
        ["remove", "root"],
        ["write", "root", "now a file"],
    ]
    upper, _ = change(base.layers, tmp_path / "box", steps)
    made = make_layer(store, base.layers, str(upper))
    assert made is not None
    ours = make_image(store, None, base.config, [*base.layers, made], base=base)

    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    subprocess.run(["cp", "-r", images.image("tiny"), layout], check=True)
    umoci = ["umoci", "--log", "error"]
    subprocess.run([*umoci, "unpack", "--rootless", "--image", f"{layout}:latest", bundle], check=True)
    try:
        again = ["unshare", "-Ur", "python3", "-c", _AGAIN, str(Path(__file__).parents[1]), str(bundle / "rootfs")]
        import json

        subprocess.run(again, input=json.dumps(steps), text=True, check=True)
        subprocess.run([*umoci, "repack", "--image", f"{layout}:changed", bundle], check=True)
    finally:
        make_removable(bundle)
    (theirs,) = load_images(store, str(layout), wanted="changed")
    assert list(changes(theirs, ours)) == []
    mine, other = entries(tar_bytes(ours.layers[-1])), entries(tar_bytes(theirs.layers[-1]))
    # umoci names the directory whose time alone is another, and not the ones that only hold something.
    assert {name for name in mine if not mine[name].isdir()} == {name for name in other if not other[name].isdir()}
    assert view(ours).read("/bin/same") == b"#!"


_AGAIN = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
source = open(sys.argv[1] + "/making.py").read().replace("from wherry", "pass # from wherry")
space = {"__file__": sys.argv[1] + "/making.py", "__name__": "making"}
exec(source, space)
os.chdir(sys.argv[2])
for step in json.load(sys.stdin):
    space["_acted"](step)
"""


def test_every_pair_of_kinds_replaces_the_other(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    kinds: dict[str, list[list[object]]] = {
        "file": [["write", "it", "x"]],
        "directory": [["mkdir", "it"], ["write", "it/in", "x"]],
        "link": [["symlink", "away", "it"]],
        "fifo": [["mkfifo", "it"]],
        "nothing": [],
    }
    for number, (before, after) in enumerate(itertools.permutations(kinds, 2)):
        layers: list[Layer] = []
        seen: dict[str, object] = {}
        for position, steps in enumerate((kinds[before], [["remove", "it"], *kinds[after]])):
            keep: list[list[object]] = [["write", "keep", str(number)]] if not position else []
            if not layers:
                start = layer_of_tar(store, (), lambda: [tar_of([file("start")])])
                assert start is not None
                layers.append(start.layer)
            upper, seen = change(layers, tmp_path / f"{number}-{position}", [*steps, *keep])
            made = make_layer(store, layers, str(upper))
            if made is not None:
                layers.append(made.layer)
        assert seen_through(layers, tmp_path / f"{number}-seen") == seen, (before, after)
