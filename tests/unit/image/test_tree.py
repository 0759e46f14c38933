"""Look-ups in the merged view of layers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layers import Item, directory, file, stack, symlink, tar_of, whiteout
from wherry.image.settle import dependent_key
from wherry.image.table import read_entries, read_whiteouts, rebuild
from wherry.image.tree import Tree, Whiteouts


def _view(folder: Path, *layers: list[Item]) -> Tree:
    return Tree.of(stack([tar_of(items) for items in layers], folder))


def test_symbolic_links_are_followed_inside_the_image(tmp_path: Path) -> None:
    view = _view(
        tmp_path,
        [directory("usr/lib"), file("usr/lib/os-release", b"ID=x"), symlink("lib", "usr/lib"), symlink("abs", "/lib")],
        [symlink("etc/os-release", "../usr/lib/os-release"), symlink("up", "../../../usr"), symlink("loop", "loop")],
    )
    assert view.read("/etc/os-release", 4) == b"ID=x"
    assert view.resolve("/abs/os-release") == "/usr/lib/os-release"
    assert view.resolve("/abs/missing/../x") == "/usr/lib/x"
    assert view.resolve("/abs/missing/../../../../../x/..") == "/"
    assert not view.exists("/abs/missing/..")
    assert view.resolve("/up/lib") == "/usr/lib"
    assert view.resolve("/nowhere/at/all") == "/nowhere/at/all"
    assert not view.exists("/loop")
    assert view.stat("/abs", follow=False).target == "/lib"  # type: ignore[union-attr]


def test_an_absolute_link_never_reads_the_hosts_file(tmp_path: Path) -> None:
    view = _view(tmp_path, [symlink("passwd", "/etc/passwd"), symlink("out", "../../../../../../../../etc/passwd")])
    assert view.read("/passwd", 10) is None
    assert view.read("/out", 10) is None


def test_only_so_many_bytes_are_read(tmp_path: Path) -> None:
    view = _view(tmp_path, [file("a", b"0123456789"), directory("d"), file("closed", b"x", mode=0)])
    assert view.read("/a", 4) == b"0123"
    assert view.read("/d", 4) is None
    assert view.read("/closed", 4) is None


def test_a_directory_lists_all_layers_names_once(tmp_path: Path) -> None:
    view = _view(
        tmp_path,
        [directory("d"), file("d/one"), file("d/two"), file("d/both")],
        [file("d/both"), file("d/three"), whiteout("d/two")],
    )
    assert view.listdir("/d") == ("both", "one", "three")
    assert view.listdir("/d/one") == ()
    assert view.listdir("/missing") == ()


def test_whiteouts_in_the_table_count_where_the_disk_has_none(tmp_path: Path) -> None:
    """As on a file system that takes no whiteouts: the tree is bare, the table knows."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for path in (lower / "gone", lower / "opaque/inner", lower / "kept/inner", upper / "opaque", upper / "kept"):
        path.mkdir(parents=True)
    view = Tree([str(upper), str(lower)], {0: Whiteouts(frozenset({"gone", "kept/inner"}), frozenset({"opaque"}))})
    assert view.listdir("/") == ("kept", "opaque")
    assert view.listdir("/opaque") == ()
    assert view.listdir("/kept") == ()


def test_one_layer_more_shows_what_all_show_at_once(tmp_path: Path) -> None:
    layers = stack(
        [
            tar_of([directory("a/b"), file("a/b/c", b"1"), file("a/f"), directory("gone/x"), symlink("l", "a")]),
            tar_of([file("a/b/c", b"22"), whiteout("a/f"), file("gone/x/y"), directory("t", 0o1777)]),
            tar_of([whiteout("gone"), file("a/b/.wh..wh..opq"), file("a/b/d", b"3"), directory("a/f")]),
            tar_of([file("other", b"4")]),
            tar_of([directory("gone"), file("l", b"5"), directory("t", 0o700), file("a/f/inner")]),
            tar_of([whiteout("a"), file("t/z")]),
        ],
        tmp_path,
    )
    within = ["/b", "/b/c", "/b/d", "/f", "/f/inner", "/x", "/x/y", "/z", ""]
    paths = [f"/{top}{path}" for top in ("a", "gone", "l", "t", "other") for path in within]
    view = Tree.of(layers[:1])
    for count in range(1, len(layers) + 1):
        whole = Tree.of(layers[:count])
        for path in ("/", *paths):
            for follow in (False, True):
                assert view.stat(path, follow=follow) == whole.stat(path, follow=follow), (count, path)
            assert view.listdir(path) == whole.listdir(path), (count, path)
        if count < len(layers):
            view = view.above(layers[count])


def test_a_layer_more_asks_nothing_anew_of_what_it_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = stack([tar_of([file("a/b/c"), file("d")]), tar_of([file("x")]), tar_of([file("d/e")])], tmp_path)
    view = Tree.of(layers[:2])
    known = view.stat("/a/b/c")
    above = view.above(layers[2])
    asked: list[str] = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: asked.append(path) or real(path))  # type: ignore[func-returns-value]
    assert above.stat("/a/b/c") is known
    assert asked == [f"{layers[2].tree}/a"]


def test_the_table_tells_whiteouts(tmp_path: Path) -> None:
    (layer,) = stack(
        [tar_of([whiteout("a"), whiteout("d/b"), file("d/.wh..wh..opq"), file("d/.wh..wh.plnk")])], tmp_path
    )
    assert read_whiteouts(layer.table) == Whiteouts(frozenset({"a", "d/b"}), frozenset({"d"}))


def test_the_table_keeps_what_the_disk_cannot(tmp_path: Path) -> None:
    items = [
        file("su", b"x" * 2000, mode=0o4755, uid=0, gid=12, mtime=1.25),
        Item("dev/sda", b"4", device=(8, 1), mode=0o660, gid=6),
        file("capable", b"x", pax={"SCHILY.xattr.security.capability": "\x01\x02"}),
        file("owner", b"x", uid=3_000_000_000),
    ]
    (layer,) = stack([tar_of(items)], tmp_path)
    su, device, capable, owner = read_entries(layer.table)
    assert (su.mode, su.gid, su.mtime_ns, su.size) == (0o4755, 12, 1_250_000_000, 2000)
    assert (device.kind, device.device) == ("block", (8, 1))
    assert capable.xattrs == {"security.capability": b"\x01\x02"}
    assert owner.uid == 3_000_000_000
    assert b"".join(rebuild(layer)) == tar_of(items)


def test_an_entry_below_a_lower_layers_link_lands_where_it_leads(tmp_path: Path) -> None:
    """Merged /usr: a package's layer names lib/x, where lib is a link to usr/lib in the layer below."""
    view = _view(
        tmp_path,
        [directory("usr/lib", mode=0o711), symlink("lib", "usr/lib"), file("usr/lib/old")],
        [file("lib/new", b"n"), file("lib/sub/deep", b"d")],
    )
    assert view.stat("/lib", follow=False).target == "usr/lib"  # type: ignore[union-attr]
    assert view.listdir("/usr/lib") == ("new", "old", "sub")
    assert view.read("/usr/lib/sub/deep", 9) == b"d"
    assert view.stat("/usr/lib").mode & 0o777 == 0o711  # type: ignore[union-attr]


def test_a_directory_that_a_layer_does_not_name_keeps_its_attributes(tmp_path: Path) -> None:
    view = _view(tmp_path, [directory("d", mode=0o1777, mtime=5)], [file("d/new")])
    found = view.stat("/d")
    assert found is not None
    assert (found.mode & 0o7777, found.mtime_ns) == (0o1777, 5 * 10**9)


def test_nothing_in_a_store_can_be_written_by_others_and_the_image_still_says_what_could(tmp_path: Path) -> None:
    """A store may be read by all users of a machine: who may write there decides what their containers see."""
    lower = [
        directory("./", mode=0o777),
        directory("tmp", mode=0o1777),
        directory("group", mode=0o2775),
        file("group/f", b"x", mode=0o664),
        file("all", b"x", mode=0o4777),
        Item("fifo", b"6", mode=0o666),
        Item("linked", b"1", target="all", mode=0o777),
    ]
    upper = [file("tmp/f", b"x", mode=0o666), file("group/g"), directory("var/tmp", mode=0o777)]
    third = [directory("tmp", mode=0o755)]
    layers = stack([tar_of(lower), tar_of(upper), tar_of(third)], tmp_path)
    for layer in layers:
        places = [str(path) for path in (Path(layer.tree), *Path(layer.tree).rglob("*"))]
        assert [place for place in places if os.lstat(place).st_mode & 0o022] == []
    exact, plain = Tree.of(layers[:2], exact=True), Tree.of(layers[:2])
    modes = {"/tmp": 0o1777, "/group": 0o775, "/group/f": 0o664, "/all": 0o777, "/fifo": 0o666, "/linked": 0o777}
    modes |= {"/tmp/f": 0o666, "/group/g": 0o644, "/var/tmp": 0o777}
    assert {path: exact.stat(path).mode & 0o7777 for path in modes} == modes  # type: ignore[union-attr]
    assert [plain.stat(path).mode & 0o7777 for path in ("/tmp", "/var/tmp")] == [0o1777, 0o777]  # type: ignore[union-attr]
    assert [Tree.of(layers, exact=exact).stat("/tmp").mode & 0o7777 for exact in (True, False)] == [0o755] * 2  # type: ignore[union-attr]
    for layer, items in zip(layers, (lower, upper, third), strict=True):
        assert b"".join(rebuild(layer)) == tar_of(items)


def test_a_directory_made_anew_takes_nothing_over_from_the_removed_one(tmp_path: Path) -> None:
    view = _view(tmp_path, [directory("d", mode=0o1777, mtime=5), file("d/old")], [whiteout("d"), file("d/new")])
    found = view.stat("/d")
    assert found is not None
    assert (found.mode & 0o7777, found.mtime_ns) == (0o755, 0)
    assert view.listdir("/d") == ("new",)


def test_a_hard_link_into_a_lower_layer_shares_its_file(tmp_path: Path) -> None:
    lower, upper = stack(
        [tar_of([file("a", b"x")]), tar_of([Item("b", b"1", target="a"), Item("c", b"1", target="b")])], tmp_path
    )
    assert os.stat(f"{upper.tree}/b").st_ino == os.stat(f"{lower.tree}/a").st_ino
    assert os.stat(f"{upper.tree}/c").st_ino == os.stat(f"{lower.tree}/a").st_ino
    assert upper.key == dependent_key(lower.meta.diff_id, upper.meta.diff_id)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_table_is_noticed(tmp_path: Path, damage: str) -> None:
    from wherry.base.errors import ImageError

    (layer,) = stack([tar_of([file(f"f{number}", b"x") for number in range(50)])], tmp_path)
    data = bytearray(Path(layer.table).read_bytes())
    data = data[:-20] if damage == "cut" else data[:100] + bytes([data[100] ^ 0xFF]) + data[101:]
    Path(layer.table).write_bytes(data)
    with pytest.raises(ImageError):
        list(read_entries(layer.table))


def test_a_changed_tree_does_not_give_back_another_tar(tmp_path: Path) -> None:
    from wherry.base.errors import DigestMismatch

    (layer,) = stack([tar_of([file("f", b"right")])], tmp_path)
    for content in (b"wrong", b"short"[:3]):
        Path(f"{layer.tree}/f").write_bytes(content)
        with pytest.raises(DigestMismatch, match="was changed"):
            list(rebuild(layer))


def test_what_cannot_be_listed_holds_nothing_that_is_known(tmp_path: Path) -> None:
    """As another user's 0700 directory in a site's store."""
    files = [file(path, b"") for path in ("a/0", "a/1", "a/2", "a/b/c")]
    view = _view(tmp_path, [directory("a"), directory("a/b"), *files])
    assert [view.holds("/a", least) for least in (4, 5, 6)] == [True, True, False]
    folder = view.stat("/a").folders[0][1]  # type: ignore[union-attr]
    for closed, held in ((f"{folder}/b", 4), (folder, 0)):
        os.chmod(closed, 0)
        found = [view.holds("/a", least) for least in (held, held + 1)]
        os.chmod(closed, 0o755)
        assert found == [True, False]
