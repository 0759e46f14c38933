"""An upper directory as a layer: what its tar says, and what stays of it on disk. Overlays' marks are set by hand here;
real overlays are in ``tests/system/test_making_overlay.py``."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from layers import Item, apply, directory, file, make_removable, symlink, tar_of
from making import entries, names, tar_bytes
from wherry.base.errors import ImageError, StoreError, UsageError
from wherry.image import MadeLayer, Rules, Told, copy_layer, make_image, make_layer, open_image, squash
from wherry.image.making.below import Below
from wherry.image.making.changes import Changes, Content
from wherry.image.making.copying import layer_of_tar
from wherry.store import ImageRecord, Layer, Store, open_at

_CAPABILITY = b"\x01\0\0\x02\0\x20\0\0" + b"\0" * 12


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    (tmp_path / "box/upper").mkdir(parents=True)
    return tmp_path / "box/upper"


def _below(store: Store, *layers: Sequence[Item]) -> tuple[Layer, ...]:
    found: list[Layer] = []
    for items in layers:
        made = layer_of_tar(store, found, lambda items=items: [tar_of(items)])  # type: ignore[misc]
        assert made is not None
        found.append(made.layer)
    return tuple(found)


def _make(store: Store, upper: Path, below: Sequence[Layer] = (), **more: object) -> MadeLayer:
    made = make_layer(store, below, str(upper), **more)  # type: ignore[arg-type]
    assert made is not None
    return made


def _own(path: Path, owner: str, **foreign: bytes) -> None:
    os.setxattr(path, "user.wherry.owner", owner.encode())
    for name, value in foreign.items():
        os.setxattr(path, f"user.wherry.xattr.{name.replace('__', '.')}", value)


def _copied_up(path: Path) -> None:
    os.setxattr(path, "user.overlay.origin", b"")


def _whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


# ---- what the tar says ----------------------------------------------------------------------------------------------


def test_entries_are_sorted_and_parents_come_first(store: Store, upper: Path) -> None:
    for path in ("b/z", "b/a/x", "a", "b-c", "é"):
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text("1")
    assert names(_make(store, upper).layer) == ["a", "b", "b/a", "b/a/x", "b/z", "b-c", "é"]


def test_owners_devices_and_foreign_attributes_are_those_that_were_noted(store: Store, upper: Path) -> None:
    for name in ("shadow", "ping", "null", "disk"):
        (upper / name).write_bytes(b"")
    (upper / "mail").mkdir()
    (upper / "ping").write_text("elf")
    _own(upper / "shadow", "0:42:640")
    _own(upper / "ping", "0:0:755", security__capability=_CAPABILITY)
    _own(upper / "mail", "3000000:8:2775")
    _own(upper / "null", "0:0:666:c:1:3")
    _own(upper / "disk", "0:6:660:b:8:0")
    os.symlink("shadow", upper / "link")
    lines = [
        {"path": "link", "uid": 1000, "gid": 100, "xattrs": {"trusted.x": base64.b64encode(b"y").decode()}},
        {"path": "gone", "uid": 1},
    ]
    (upper.parent / "owners").write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = _make(store, upper)
    found = entries(tar_bytes(made.layer))
    assert {name: (each.type, oct(each.mode), each.uid, each.gid) for name, each in found.items()} == {
        "disk": (tarfile.BLKTYPE, "0o660", 0, 6),
        "link": (tarfile.SYMTYPE, "0o777", 1000, 100),
        "mail": (tarfile.DIRTYPE, "0o2775", 3000000, 8),
        "null": (tarfile.CHRTYPE, "0o666", 0, 0),
        "ping": (tarfile.REGTYPE, "0o755", 0, 0),
        "shadow": (tarfile.REGTYPE, "0o640", 0, 42),
    }
    assert (found["null"].devmajor, found["null"].devminor) == (1, 3)
    assert found["ping"].pax_headers["SCHILY.xattr.security.capability"].encode() == _CAPABILITY
    assert found["link"].pax_headers["SCHILY.xattr.trusted.x"] == "y"
    tree = Path(made.layer.tree)
    assert sorted(os.listdir(tree)) == ["link", "mail", "ping", "shadow"]
    assert [name for path in tree.iterdir() for name in os.listxattr(path, follow_symlinks=False)] == []


def test_an_owner_that_is_no_owner_is_told(store: Store, upper: Path) -> None:
    (upper / "a").write_text("1")
    _own(upper / "a", "root")
    with pytest.raises(ImageError, match="'a' has an owner that cannot be read"):
        make_layer(store, (), str(upper))
    assert os.listdir(f"{store.path}/tmp") == []


def test_a_tree_is_what_unpacking_its_tar_gives(store: Store, upper: Path, tmp_path: Path) -> None:
    (upper / "d/e").mkdir(parents=True)
    (upper / "d/e").chmod(0o2777)
    (upper / "open").mkdir(mode=0o1777)
    (upper / "open").chmod(0o1777)
    (upper / "shut").mkdir()
    (upper / "shut/in").write_text("1")
    (upper / "shut").chmod(0)
    (upper / "set-id").write_text("#!")
    (upper / "set-id").chmod(0o6755)
    (upper / "secret").write_text("x" * 70_000)
    (upper / "secret").chmod(0)
    (upper / "empty").write_text("")
    (upper / "group").write_text("g" * 511)
    (upper / "group").chmod(0o464)
    os.setxattr(upper / "empty", "user.flavour", b"\0vanilla")
    os.link(upper / "group", upper / "d/same")
    os.mkfifo(upper / "pipe", 0o622)
    os.symlink("group", upper / "link")
    Path(os.fsdecode(os.fsencode(upper) + b"/\xff\xfe")).write_text("no text")
    (upper / ("n" * 250)).mkdir()
    (upper / ("n" * 250) / ("m" * 250)).write_text("long")
    os.utime(upper / "empty", (-1_000_000_000.5, -1_000_000_000.5))
    os.utime(upper / "link", (4_323_000_000, 4_323_000_000), follow_symlinks=False)
    made = _make(store, upper)
    tar = tar_bytes(made.layer)
    assert len(tar) == made.size
    other = tmp_path / "other"
    summary = apply(tar, other, expected=made.diff_id).summary
    try:
        assert _tree(Path(made.layer.tree)) == _tree(other / "tree")
        meta = made.layer.meta
        assert (summary.entries, summary.bytes, summary.whiteouts) == (meta.entries, meta.size, meta.whiteouts)
        assert (summary.closed, summary.open) == (meta.closed, meta.open_folders)
        assert summary.links == summary.implicit == ()
        assert made.entries == len(entries(tar)) == meta.entries
        whole = entries(tar)
        assert whole["empty"].mtime == -1_000_000_001 and whole["link"].mtime == 4_323_000_000
        assert whole["d/same"].type == tarfile.REGTYPE and whole["group"].linkname == "d/same"
    finally:
        make_removable(other)
        os.chmod(f"{made.layer.tree}/shut", 0o700)


def _tree(root: Path) -> dict[str, tuple[object, ...]]:
    """All of a tree but its root, whose time nobody says."""
    found: dict[str, tuple[object, ...]] = {}
    pending = [root]
    while pending:
        folder = pending.pop()
        shut = stat.S_IMODE(folder.stat().st_mode)
        folder.chmod(0o700)
        for path in folder.iterdir():
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            xattrs = {}
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}
            size = status.st_size if kind == stat.S_IFREG else 0
            links = status.st_nlink if kind == stat.S_IFREG else 1
            found[str(path.relative_to(root))] = (oct(status.st_mode), status.st_mtime_ns, size, links, xattrs)
            if kind == stat.S_IFDIR:
                pending.append(path)
        folder.chmod(shut)
    return found


def test_a_tree_deeper_than_descriptors_reach_becomes_a_layer(store: Store, upper: Path) -> None:
    depth = 1500
    folder = os.open(upper, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        deeper = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    made = _make(store, upper)
    assert made.entries == depth + 1
    assert names(made.layer)[-1] == "d/" * depth + "file"
    store.discard(os.path.dirname(made.layer.tree))  # deeper than pytest can remove


def test_no_file_may_begin_with_what_says_that_something_is_removed(store: Store, upper: Path) -> None:
    (upper / "d").mkdir()
    (upper / "d/.wh.x").write_text("mine")
    with pytest.raises(ImageError, match=r"'d/\.wh\.x' cannot be in a layer"):
        make_layer(store, (), str(upper))


def test_half_of_a_file_is_no_file(store: Store, upper: Path) -> None:
    (upper / "a").write_text("1")
    os.setxattr(upper / "a", "user.overlay.metacopy", b"")
    with pytest.raises(ImageError, match="only a part of it"):
        make_layer(store, (), str(upper))


def test_a_socket_is_left_out_and_nothing_else_makes_no_layer(
    store: Store, upper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        monkeypatch.chdir(upper)  # an address has room for short paths only
        made.bind("s")
    monkeypatch.undo()
    assert make_layer(store, (), str(upper)) is None
    assert os.listdir(f"{store.path}/tmp") == []
    assert not upper.exists()


@pytest.mark.parametrize("grows", [True, False])
def test_a_file_that_changes_while_it_is_read_is_told(store: Store, upper: Path, *, grows: bool) -> None:
    (upper / "log").write_text("12345")
    told = r"'log' was changed while it was read"
    with pytest.raises(ImageError, match=told):
        for piece in Changes(str(upper), Below(store, ()), Rules(), Told()).pieces():
            if isinstance(piece, Content):
                with (upper / "log").open("a" if grows else "w") as log:
                    log.write("6")


# ---- what lies below ------------------------------------------------------------------------------------------------

_BASE = (
    directory("etc"),
    file("etc/shadow", b"root:*", 0o640, gid=42),
    file("etc/issue", b"hello"),
    directory("var"),
    directory("var/mail", 0o2775, gid=8),
    directory("tmp", 0o1777),
    file("su", b"elf", 0o4755),
    Item("dev", tarfile.DIRTYPE, mode=0o755),
    Item("dev/zero", tarfile.CHRTYPE, mode=0o666, device=(1, 5)),
    symlink("link", "etc"),
)


def test_what_is_removed_is_named_if_it_was_there(store: Store, upper: Path) -> None:
    below = _below(store, _BASE)
    for name in ("etc", "dev", "link-to-nothing"):
        (upper / name).mkdir()
    for path in ("etc/issue", "etc/never", "dev/zero", "su", "link"):
        _whiteout(upper / path)
    made = _make(store, upper, below)
    assert names(made.layer) == ["dev", "dev/.wh.zero", "etc", "etc/.wh.issue", ".wh.link", "link-to-nothing", ".wh.su"]
    assert made.layer.meta.whiteouts == 4
    assert not os.path.lexists(f"{made.layer.tree}/etc/never")
    assert os.stat(f"{made.layer.tree}/etc/issue").st_rdev == 0


def test_a_directory_is_opaque_only_over_one(store: Store, upper: Path) -> None:
    below = _below(store, _BASE)
    for name in ("etc", "new", "su"):
        (upper / name).mkdir()
        (upper / name / "a").write_text("1")
        os.setxattr(upper / name, "user.overlay.opaque", b"y")
    made = _make(store, upper, below)
    assert names(made.layer) == ["etc", "etc/.wh..wh..opq", "etc/a", "new", "new/a", "su", "su/a"]
    marked = [name for name in ("etc", "new", "su") if os.listxattr(f"{made.layer.tree}/{name}")]
    assert marked == ["etc"]
    assert entries(tar_bytes(made.layer))["etc"].gid == 0


def test_marks_of_other_overlays_mean_the_same(store: Store, upper: Path) -> None:
    """Whiteouts as attributes (where devices cannot be made), and fuse-overlayfs's file for an opaque directory."""
    below = _below(store, _BASE)
    (upper / "etc").mkdir()
    for path in ("su", "never", "etc/.wh..wh..opq"):
        (upper / path).write_text("")
    for path in ("su", "never"):
        os.setxattr(upper / path, "user.overlay.whiteout", b"y")
    made = _make(store, upper, below)
    assert names(made.layer) == ["etc", "etc/.wh..wh..opq", ".wh.su"]
    tree = Path(made.layer.tree)
    assert sorted(os.listdir(tree)) == ["etc", "su"] and os.listdir(tree / "etc") == []
    assert stat.S_ISCHR((tree / "su").lstat().st_mode)
    assert os.getxattr(tree / "etc", "user.overlay.opaque") == b"y"


def test_what_was_copied_up_keeps_the_owner_that_it_has_below(store: Store, upper: Path) -> None:
    below = _below(store, _BASE, [file("other", b"1")])
    for name in ("etc", "var", "var/mail"):
        (upper / name).mkdir()
        _copied_up(upper / name)
    for name, mode in (("etc/shadow", 0o640), ("su", 0o755), ("etc/issue", 0o600), ("new", 0o600)):
        (upper / name).write_text("changed")
        (upper / name).chmod(mode)
        if name != "new":
            _copied_up(upper / name)
    (upper / "var/mail/me").write_text("1")
    found = entries(tar_bytes(_make(store, upper, below).layer))
    assert {name: (oct(each.mode), each.gid) for name, each in found.items()} == {
        "etc": ("0o755", 0),
        "etc/issue": ("0o600", 0),
        "etc/shadow": ("0o640", 42),
        "new": ("0o600", 0),
        "su": ("0o4755", 0),
        "var": ("0o755", 0),
        "var/mail": ("0o2775", 8),
        "var/mail/me": ("0o644", 0),
    }


def test_what_was_renamed_keeps_its_owner_too(store: Store, upper: Path) -> None:
    below = _below(store, _BASE)
    (upper / "etc").mkdir()
    (upper / "etc/shadow-").write_text("root:*")
    (upper / "etc/shadow-").chmod(0o640)
    os.utime(upper / "etc/shadow-", (1_700_000_000, 1_700_000_000))
    _copied_up(upper / "etc/shadow-")
    assert entries(tar_bytes(_make(store, upper, below).layer))["etc/shadow-"].gid == 42


def test_what_is_as_it_was_is_not_named(store: Store, upper: Path) -> None:
    """Touched directories, a file that was copied up and not changed; with them goes what they lie in."""
    below = _below(store, _BASE)
    for name in ("etc", "var", "var/mail", "tmp"):
        (upper / name).mkdir()
        _copied_up(upper / name)
    (upper / "tmp").chmod(0o1777)
    (upper / "etc/issue").write_text("hello")
    os.utime(upper / "etc/issue", (1_700_000_000, 1_700_000_000))
    _copied_up(upper / "etc/issue")
    assert make_layer(store, below, str(upper)) is None


def test_a_directory_with_another_mode_is_named_and_so_is_a_file_with_another_content(
    store: Store, upper: Path
) -> None:
    below = _below(store, _BASE)
    for name in ("etc", "var"):
        (upper / name).mkdir()
        _copied_up(upper / name)
    (upper / "var").chmod(0o700)
    (upper / "etc/issue").write_text("HELLO")
    os.utime(upper / "etc/issue", (1_700_000_000, 1_700_000_000))
    _copied_up(upper / "etc/issue")
    assert names(_make(store, upper, below).layer) == ["etc", "etc/issue", "var"]


def test_the_root_is_named_only_if_it_became_another(store: Store, upper: Path, tmp_path: Path) -> None:
    below = _below(store, [Item("./", tarfile.DIRTYPE, mode=0o555), file("a", b"1")])
    (upper / "b").write_text("1")
    assert names(_make(store, upper, below).layer) == ["b"]
    upper.mkdir()
    upper.chmod(0o700)
    assert names(_make(store, upper, below).layer) == ["."]


def test_what_a_start_makes_counts_only_with_something_in_it(store: Store, upper: Path) -> None:
    for name in ("home/me", "proc", "data"):
        (upper / name).mkdir(parents=True)
    (upper / "etc").mkdir()
    (upper / "etc/hosts").write_text("")
    (upper / "data/result").write_text("1")
    ours = frozenset({"/home", "/home/me", "/proc", "/data", "/etc", "/etc/hosts"})
    assert names(_make(store, upper, told=Told(ours=ours)).layer) == ["data", "data/result"]


# ---- the same bytes -------------------------------------------------------------------------------------------------


def _filled(upper: Path) -> None:
    upper.mkdir(parents=True, exist_ok=True)
    (upper / "lib").mkdir()
    for number in range(30):
        (upper / f"lib/{number}").write_bytes(os.urandom(1) * 100_000 * (number % 3))
    (upper / "log").write_text("noise")


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_the_blob_is_the_tar_and_the_same_each_time(tmp_path: Path, compress: str) -> None:
    made = []
    for number in range(2):
        store = open_at(str(tmp_path / f"store{number}"))
        upper = tmp_path / f"box{number}"
        (upper / "d").mkdir(parents=True)
        for name in ("x", "y"):
            (upper / "d" / name).write_bytes(name.encode() * 1_500_000)
        found = _make(store, upper, rules=Rules(epoch=1_000_000_000), compress=compress)
        assert found.blob is not None
        path = store.blob_path(found.blob.digest)
        assert path is not None
        data = Path(path).read_bytes()
        plain = (
            gzip.decompress(data)
            if compress == "gzip"
            else zstandard.ZstdDecompressor().decompressobj().decompress(data)
        )
        assert plain == tar_bytes(found.layer)
        assert found.blob.size == len(data)
        assert found.blob.media_type == f"application/vnd.oci.image.layer.v1.tar+{compress}"
        made.append((found.diff_id, found.blob))
    assert made[0] == made[1]


def test_an_unknown_compression_is_refused(store: Store, upper: Path) -> None:
    (upper / "a").write_text("1")
    with pytest.raises(UsageError, match="'brotli' is no compression"):
        make_layer(store, (), str(upper), compress="brotli")


def test_younger_times_become_the_epoch(store: Store, upper: Path) -> None:
    (upper / "old").write_text("1")
    os.utime(upper / "old", (1000.7, 1000.7))
    (upper / "new").mkdir()
    os.mkfifo(upper / "pipe")
    os.symlink("a", upper / "link")
    made = _make(store, upper, rules=Rules(epoch=1_000_000_000))
    assert {each.mtime for each in entries(tar_bytes(made.layer)).values()} == {1000, 1_000_000_000}
    assert os.stat(f"{made.layer.tree}/old").st_mtime_ns == 1000 * 10**9
    assert os.lstat(f"{made.layer.tree}/link").st_mtime_ns == 10**18


def test_what_rules_drop_or_empty_is_gone_from_the_tree_too(store: Store, upper: Path) -> None:
    for path in ("var/cache/apt/pkgcache.bin", "var/cache/apt/keep", "usr/a/__pycache__/x.pyc", "var/log/dpkg.log"):
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text("noise")
    (upper / "usr/a/__pycache__").chmod(0o500)
    rules = Rules(drop=("var/cache/apt/*.bin", "**/__pycache__"), empty=("/var/log/*",))
    made = _make(store, upper, rules=rules)
    found = entries(tar_bytes(made.layer))
    assert [name for name in found if found[name].isreg()] == ["var/cache/apt/keep", "var/log/dpkg.log"]
    assert found["var/log/dpkg.log"].size == 0
    assert os.path.getsize(f"{made.layer.tree}/var/log/dpkg.log") == 0
    assert os.listdir(f"{made.layer.tree}/usr/a") == []


def test_an_upper_directory_that_stays_gives_the_same_layer(store: Store, upper: Path, tmp_path: Path) -> None:
    _filled(upper)
    (upper / "shut").mkdir(mode=0)
    rules = Rules(epoch=5, drop=("lib/1*",))
    copied = copy_layer(store, (), str(upper), rules=rules)
    assert copied is not None
    assert len(os.listdir(upper / "lib")) == 30
    assert stat.S_IMODE((upper / "shut").stat().st_mode) == 0
    other = open_at(str(tmp_path / "other"))
    assert _make(other, upper, rules=rules).diff_id == copied.diff_id


# ---- an image of layers ----------------------------------------------------------------------------------------------


def test_what_a_collector_took_before_an_image_named_it_is_put_again(
    store: Store, upper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (upper / "f").write_text("1")
    made, real = _make(store, upper), Store.put_image_record
    taken: list[str] = []

    def put(self: Store, record: ImageRecord) -> None:
        if not taken:
            taken.append(f"{store.path}/blobs/sha256/{record.blobs[0].hex}")
            os.unlink(taken[0])
        real(self, record)

    monkeypatch.setattr(Store, "put_image_record", put)
    image = make_image(store, None, {"architecture": "amd64", "os": "linux"}, [made])
    assert os.path.exists(taken[0])
    assert open_image(store, str(image.digest)).layers == (made.layer,)
    make_removable(Path(made.layer.tree).parent)
    shutil.rmtree(Path(made.layer.tree).parent)
    with pytest.raises(StoreError):  # what nobody has any more is told
        make_image(store, None, {"architecture": "arm64", "os": "linux"}, [made])


# ---- several as one -------------------------------------------------------------------------------------------------


def test_squashed_layers_hold_nothing_that_was_removed(store: Store) -> None:
    layers = _below(
        store,
        [directory("d"), file("d/secret", b"password", 0o600), file("keep", b"1", uid=7), directory("e"), file("e/x")],
        [file("d/.wh.secret"), file("new", b"2"), directory("e"), file("e/.wh..wh..opq"), file("e/y")],
    )
    made = squash(store, layers)
    assert made is not None
    assert names(made.layer) == ["d", "e", "e/y", "keep", "new"]
    assert b"password" not in tar_bytes(made.layer)
    assert entries(tar_bytes(made.layer))["keep"].uid == 7
    assert made.layer.meta.whiteouts == 0


def test_squashed_layers_hide_what_they_hid_of_those_below(store: Store) -> None:
    layers = _below(
        store,
        [
            directory("d"),
            file("d/a"),
            file("b"),
            directory("o"),
            file("o/x"),
            file("back"),
            directory("f"),
            file("f/1"),
        ],
        [file(".wh.b"), directory("d"), file("d/.wh.a"), file("d/n"), file(".wh.back"), file(".wh.never")],
        [directory("o"), file("o/.wh..wh..opq"), file("back", b"again"), directory("f"), file("f/2")],
    )
    made = squash(store, layers[1:], layers[:1])
    assert made is not None
    assert set(names(made.layer)) == {".wh.b", "back", "d", "d/.wh.a", "d/n", "f", "f/2", "o", "o/.wh..wh..opq"}
