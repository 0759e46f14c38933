"""Images whose layers try something together: nothing outside the store changes, whatever the second one makes of what
the first one has (each layer alone: test_layers_hostile)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import Item, directory, file, hardlink, stack, symlink, tar_of, whiteout
from wherry.base.errors import HostileArchive, ImageError
from wherry.store.discard import delete_tree

_PAYLOAD = b"from the image"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """``store`` for the layers, and beside it what no image may change."""
    with _guarded(tmp_path):
        yield tmp_path


@contextlib.contextmanager
def _guarded(room: Path) -> Iterator[None]:
    (room / "store").mkdir()
    (room / "victim/.ssh").mkdir(parents=True)
    (room / "victim/secret").write_bytes(b"secret")
    os.chmod(room / "victim/.ssh", 0o700)
    before = _state(room / "victim")
    try:
        yield
        assert _state(room / "victim") == before
        assert sorted(os.listdir(room)) == ["store", "victim"]
    finally:
        delete_tree(str(room / "store"))


def _state(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_nlink, status.st_size, content)
    return found


def _apply(room: Path, *layers: Sequence[Item]) -> None:
    stack([tar_of(items) for items in layers], room / "store")


def test_a_hard_link_left_for_later_does_not_follow_the_link_that_took_its_directorys_place(room: Path) -> None:
    base = [directory("etc"), file("etc/payload", _PAYLOAD)]
    swapped = [directory("d"), hardlink("d/keys", "etc/payload"), symlink("d", str(room / "victim"))]
    with pytest.raises(HostileArchive, match="no directory of the layer any more"):
        _apply(room, base, swapped)


def test_the_same_through_a_directory_above(room: Path) -> None:
    base = [directory("etc"), file("etc/payload", _PAYLOAD)]
    swapped = [directory("d/.ssh"), hardlink("d/.ssh/keys", "etc/payload"), symlink("d", str(room / "victim"))]
    with pytest.raises(HostileArchive, match="no directory of the layer any more"):
        _apply(room, base, swapped)


def test_a_lower_link_whose_target_the_layer_makes_a_link_out_leads_nowhere(room: Path) -> None:
    base = [directory("t"), symlink("link", "t")]
    with pytest.raises(HostileArchive, match="'t' is no directory of the layer any more"):
        _apply(room, base, [symlink("t", str(room / "victim")), file("link/planted", _PAYLOAD)])


def test_the_same_with_the_link_out_in_a_layer_between(room: Path) -> None:
    """The link out lies in the view then: it is followed within the image."""
    base = [directory("t"), symlink("link", "t")]
    _apply(room, base, [symlink("t", str(room / "victim"))], [file("link/planted", _PAYLOAD)])
    assert (room / f"store/2/tree{room}/victim/planted").read_bytes() == _PAYLOAD


@pytest.mark.parametrize("target", ["missing/../../../../victim", "missing/../../../../victim/.ssh", "a/../../victim"])
def test_two_dots_behind_a_missing_directory_end_at_the_images_root(room: Path, target: str) -> None:
    _apply(room, [symlink("up", target)], [file("up/planted", _PAYLOAD)])
    assert (room / "store/1/tree" / target.replace("../", "").partition("/")[2] / "planted").read_bytes() == _PAYLOAD


def test_links_in_a_circle_do_not_take_the_layers_own_files_away(room: Path) -> None:
    _apply(room, [symlink("one", "two"), symlink("two", "one")], [file("one/f", _PAYLOAD)])
    assert (room / "store/1/tree/one/f").read_bytes() == _PAYLOAD


def test_a_link_to_its_own_directory_is_no_trap(room: Path) -> None:
    _apply(room, [symlink("here", ".")], [file("here/here/f", _PAYLOAD), file("here/g", _PAYLOAD)])
    assert (room / "store/1/tree/f").read_bytes() == _PAYLOAD
    assert (room / "store/1/tree/g").read_bytes() == _PAYLOAD


def test_directories_nested_by_the_thousand_are_moved(room: Path) -> None:
    deep = "/".join("d" for _ in range(1500))
    _apply(room, [directory("t"), symlink("link", "t")], [file(f"link/{deep}/f"), file(f"t/{deep}/g")])
    assert os.listdir(room / "store/1/tree") == ["t"]


_names = st.sampled_from(["a", "b", "c"])
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_out = st.sampled_from(
    ["OUT", "OUT/.ssh", "../../../victim", "gone/../../../../victim", "../gone/../../../../victim/.ssh"]
)
_targets = st.one_of(_out, _paths, st.builds("../{}".format, _paths), st.builds("/{}".format, _paths))
_entries = st.one_of(
    st.builds(file, _paths, st.just(_PAYLOAD)),
    st.builds(symlink, _paths, _targets),
    st.builds(symlink, _paths, _targets),
    st.builds(directory, _paths, st.sampled_from([0o755, 0o1777, 0o500, 0o000])),
    st.builds(hardlink, _paths, _paths),
    st.builds(whiteout, _paths),
)
_images = st.lists(st.lists(_entries, min_size=1, max_size=6), min_size=2, max_size=3)


@settings(max_examples=100, deadline=None)
@given(_images)
def test_no_image_of_two_or_three_layers_changes_what_lies_outside_the_store(image: list[list[Item]]) -> None:
    """Links to absolute host paths, and up from the layer's place in the store, in every order of entries."""
    room = Path(tempfile.mkdtemp(prefix="wherry-test-"))
    try:
        with _guarded(room), contextlib.suppress(ImageError):
            _apply(room, *[[_aimed(item, room) for item in items] for items in image])
    finally:
        shutil.rmtree(room)


def _aimed(item: Item, room: Path) -> Item:
    return replace(item, target=item.target.replace("OUT", str(room / "victim")))
