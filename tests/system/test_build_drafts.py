"""Drafts, in which steps run where there is no overlay: what they hold, and what is taken out of them as changes."""

from __future__ import annotations

import base64
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import directory, file, make_removable, symlink, tar_of
from making import change, change_here, entries, tar_bytes
from wherry.build.drafts import Draft, Drafts, take
from wherry.build.tidying import Tidying
from wherry.build.who import Ids
from wherry.image import Rules, Told, make_layer
from wherry.image.making.copying import layer_of_tar
from wherry.store import Layer, Store, open_at

_BASE = (
    directory("a"),
    directory("a/b"),
    file("a/b/deep", b"1" * 600, 0o640),
    file("a/one", b"one"),
    file("a/two", b"two" * 1000),
    directory("c"),
    file("c/x", b"x"),
    symlink("link", "a/one"),
    directory("empty"),
    file("top", b"top"),
)
_UPPER = (file("a/one", b"another"), directory("c"), file("c/y", b"y"), file(".wh.top"), directory("a"))
_PLACES = ["a", "a/b", "a/b/deep", "a/one", "a/two", "c", "c/x", "c/y", "link", "empty", "top", "new", "new/in"]
_BEFORE = Rules(epoch=1_650_000_000)
"""All that is in the base is younger, so times of now and then are the same."""
_ROOT = Ids(0, 0)


def _steps() -> st.SearchStrategy[list[list[object]]]:
    """Things that a command does; modes are such that nobody must be root."""
    place = st.sampled_from(_PLACES)
    mode = st.sampled_from([0o700, 0o755, 0o1777, 0o2770])
    one = st.one_of(
        st.tuples(st.just("write"), place, st.text("xyz", max_size=4), mode),
        st.tuples(st.just("append"), place, st.just("more")),
        st.tuples(st.just("remove"), place),
        st.tuples(st.just("mkdir"), place, mode),
        st.tuples(st.just("chmod"), place, mode),
        st.tuples(st.just("rename_file"), place, place),
        st.tuples(st.just("link"), place, place),
        st.tuples(st.just("symlink"), place, place),
        st.tuples(st.just("mkfifo"), place),
        st.tuples(st.just("touch"), place, st.sampled_from([0, 1_500_000_000.75, 4e9])),
        st.tuples(st.just("attribute"), place, st.just("user.a"), st.just(base64.b64encode(b"\0b").decode())),
    )
    return st.lists(one.map(list), min_size=1, max_size=20)


def layers_of(store: Store, *contents: object) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for items in contents:
        made = layer_of_tar(store, layers, lambda items=items: [tar_of(items)])  # type: ignore[misc]
        assert made is not None
        layers.append(made.layer)
    return tuple(layers)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, tuple[Layer, ...]]]:
    folder = tmp_path_factory.mktemp("base")
    store = open_at(str(folder / "store"))
    yield store, layers_of(store, _BASE, _UPPER)
    make_removable(folder)


class Desk:
    """A store with drafts; ``commit`` makes a layer of what was done in one."""

    def __init__(self, store: Store, layers: tuple[Layer, ...], user: Ids = _ROOT) -> None:
        self.store = store
        self.layers = layers
        self.user = user
        self.tidying = Tidying(store)
        self.drafts = Drafts(store, self.tidying.lasting)
        self.work = ""

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.tidying.close()

    def begin(self) -> Draft:
        self.work = self.store.new_work()
        draft = self.drafts.borrow(self.work, self.layers)
        draft.settle()
        return draft

    def commit(self) -> Layer | None:
        draft = self.drafts.find(self.work)
        assert draft is not None
        os.mkdir(f"{self.work}/upper", 0o755)
        take(draft, f"{self.work}/upper", self.user)
        self.drafts.give_back(self.work)
        made = make_layer(self.store, self.layers, f"{self.work}/upper", rules=_BEFORE)
        self.store.discard(self.work)
        if made is not None:
            self.layers = (*self.layers, made.layer)
        return made.layer if made is not None else None


@settings(max_examples=12)
@given(first=_steps(), second=_steps())
def test_what_is_taken_from_a_draft_is_what_an_overlay_keeps_also_from_one_that_is_used_again(
    base: tuple[Store, tuple[Layer, ...]], first: list[list[object]], second: list[list[object]]
) -> None:
    store, below = base
    with tempfile.TemporaryDirectory() as name, Desk(store, below) as desk:
        for number, steps in enumerate((first, second)):
            try:
                layers = desk.layers
                change_here(desk.begin().root, steps)
                taken = desk.commit()
                upper, _ = change(layers, Path(name) / str(number), steps)
                kept = make_layer(store, layers, str(upper), rules=_BEFORE, told=Told())
                assert (taken is None) == (kept is None)
                if taken is not None and kept is not None:
                    assert {name: _facts(member) for name, member in entries(tar_bytes(taken)).items()} == {
                        name: _facts(member) for name, member in entries(tar_bytes(kept.layer)).items()
                    }
                    assert taken.meta.diff_id == kept.diff_id
            finally:
                make_removable(Path(name))


def _facts(member: object) -> dict[str, object]:
    return {key: getattr(member, key) for key in ("type", "mode", "uid", "gid", "size", "mtime", "linkname")}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    yield open_at(str(tmp_path / "store"))
    make_removable(tmp_path)


def owners(layer: Layer | None) -> dict[str, str]:
    assert layer is not None
    return {name: f"{each.uid}:{each.gid} {each.mode:o}" for name, each in entries(tar_bytes(layer)).items()}


def test_modes_of_the_image_are_real_in_a_draft_and_nobody_else_may_look_into_it(store: Store) -> None:
    items = (directory("t", 0o1777), file("s", b"", 0o6755), directory("g", 0o2775, gid=50), file("n", b"no", 0o000))
    with Desk(store, layers_of(store, items)) as desk:
        root = Path(desk.begin().root)
        modes = {name: stat.S_IMODE((root / name).stat().st_mode) for name in ("t", "s", "g", "n")}
        assert modes == {"t": 0o1777, "s": 0o6755, "g": 0o2775, "n": 0}
        assert stat.S_IMODE(root.parent.stat().st_mode) == 0o700
        os.chmod(root / "n", 0o600)
        assert (root / "n").read_bytes() == b"no"
        os.chmod(root / "n", 0)  # as a tracer does for a command that is root to it
        assert desk.commit() is None


def test_what_is_written_to_or_moved_stays_its_owners_and_what_is_new_is_the_users(store: Store) -> None:
    items = (
        directory("e"),
        file("e/shadow", b"1", 0o640, gid=42),
        file("e/other", b"2", uid=7),
        directory("g", 0o2775, gid=50),
    )
    with Desk(store, layers_of(store, items), Ids(5, 6)) as desk:
        root = Path(desk.begin().root)
        with open(root / "e/shadow", "a") as shadow:
            shadow.write("more")
        (root / "e/other").rename(root / "e/moved")
        os.link(root / "e/moved", root / "e/too")
        (root / "e/new").write_text("")
        (root / "e/new").chmod(0o4711)
        (root / "g/d").mkdir()
        (root / "g/d/f").touch()
        os.symlink("x", root / "g/l")
        os.mkfifo(root / "e/p", 0o600)
        assert owners(desk.commit()) == {
            "e": "0:0 755",
            "e/.wh.other": "0:0 0",
            "e/moved": "7:0 644",
            "e/new": "5:6 4711",
            "e/p": "5:6 600",
            "e/shadow": "0:42 640",
            "e/too": "7:0 644",
            "g": "0:50 2775",
            "g/d": "5:50 2755",
            "g/d/f": "5:50 644",
            "g/l": "5:50 777",
        }


def test_a_file_that_was_replaced_belongs_to_who_did_it_and_one_that_was_only_looked_at_is_not_named(
    store: Store,
) -> None:
    with Desk(store, layers_of(store, (file("shadow", b"1", 0o640, gid=42), file("same", b"2", gid=42)))) as desk:
        root = Path(desk.begin().root)
        (root / "new").write_text("1+")
        (root / "new").rename(root / "shadow")
        os.chmod(root / "same", 0o600)
        os.chmod(root / "same", 0o644)
        assert owners(desk.commit()) == {"shadow": "0:0 644"}


def test_a_new_directory_hides_the_old_one_even_if_it_gets_its_number(store: Store) -> None:
    with Desk(store, layers_of(store, (directory("d"), file("d/f", b"1"), file("d/g", b"1")))) as desk:
        root = Path(desk.begin().root)
        for name in ("f", "g"):
            (root / "d" / name).unlink()
        (root / "d").rmdir()
        (root / "d").mkdir()
        (root / "d/f").touch()
        assert list(owners(desk.commit())) == ["d", "d/.wh..wh..opq", "d/f"]


def test_directories_that_a_command_closed_to_its_own_user_are_taken_too(store: Store) -> None:
    with Desk(store, layers_of(store, (directory("old"), file("old/f", b"1"), file("old/deep/f", b"1")))) as desk:
        root = Path(desk.begin().root)
        (root / "new/in").mkdir(parents=True)
        (root / "new/in/f").touch()
        (root / "old/deep/f").write_text("2")
        for path in ("new/in/f", "new/in", "new", "old/deep", "old"):
            (root / path).chmod(0)
        assert owners(desk.commit()) == {
            "new": "0:0 0",
            "new/in": "0:0 0",
            "new/in/f": "0:0 0",
            "old": "0:0 0",
            "old/deep": "0:0 0",
            "old/deep/f": "0:0 644",
        }
        again = Path(desk.begin().root)
        assert stat.S_IMODE((again / "old").stat().st_mode) == 0


def test_a_command_cannot_say_itself_whose_a_file_is(store: Store) -> None:
    with Desk(store, layers_of(store, (directory("d"), file("d/shadow", b"1", gid=42)))) as desk:
        root = Path(desk.begin().root)
        for name in ("file", "dir"):
            (root / name).mkdir() if name == "dir" else (root / name).touch()
            os.setxattr(root / name, "user.wherry.owner", b"5:6:4755")
            os.setxattr(root / name, "user.wherry.xattr.security.capability", b"x")
            os.setxattr(root / name, "user.overlay.whiteout", b"y")
        os.setxattr(root / "dir", "user.overlay.opaque", b"y")
        os.setxattr(root / "d", "user.wherry.owner", b"5:6:755")
        assert owners(desk.commit()) == {"dir": "0:0 755", "file": "0:0 644"}


def test_links_lead_nobody_out_of_a_draft(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("here")
    with Desk(store, layers_of(store, (directory("d"), file("d/kept", b"1"), file("f", b"1")))) as desk:
        root = Path(desk.begin().root)
        for path in ("d/kept", "f"):
            (root / path).unlink()
        (root / "d").rmdir()
        os.symlink(outside, root / "d")
        os.symlink(outside / "kept", root / "f")
        taken = desk.commit()
        assert owners(taken) == {"d": "0:0 777", "f": "0:0 777"}
        draft = desk.begin()
        shown = tmp_path / "shown/d"
        shown.mkdir(parents=True)
        (shown / "kept").write_text("laid")
        draft.lay(str(tmp_path / "shown"))
        assert (outside / "kept").read_text() == "here" and (root / "d/kept").read_text() == "laid"
        assert desk.commit() is None
        assert os.readlink(Path(desk.begin().root) / "d") == str(outside)


def test_what_is_laid_over_a_draft_is_no_change_and_goes_again(store: Store, tmp_path: Path) -> None:
    for path in ("etc/hosts", "run/own/file", "new"):
        (tmp_path / "shown" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shown" / path).write_text("laid")
    with Desk(store, layers_of(store, (directory("etc"), file("etc/hosts", b"image's")))) as desk:
        draft = desk.begin()
        draft.lay(str(tmp_path / "shown"))
        draft.settle()
        root = Path(draft.root)
        assert (root / "etc/hosts").read_text() == (root / "run/own/file").read_text() == "laid"
        (root / "etc/mine").touch()
        assert list(owners(desk.commit())) == ["etc", "etc/mine"]
        again = Path(desk.begin().root)
        assert again == root
        assert (root / "etc/hosts").read_text() == "image's"
        assert sorted(os.listdir(root)) == ["etc"]


def test_a_draft_that_others_used_follows_their_layers_only(store: Store) -> None:
    below = layers_of(store, (directory("d"), file("d/f", b"1"), file("gone", b"1")))
    with Desk(store, below) as desk:
        root = Path(desk.begin().root)
        (root / "d/f").write_text("2")
        (root / "gone").unlink()
        desk.commit()
        desk.layers = below  # another stage begins where the first did
        other = Path(desk.begin().root)
        assert (other / "d/f").read_text() == "1" and (other / "gone").exists()
