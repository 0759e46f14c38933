"""Any sequence of layers, seen merged or flattened, equals a model that applies them one after the other."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from layers import EPOCH, Item, directory, file, hardlink, make_removable, stack, symlink, tar_of, whiteout
from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive
from wherry.image.flattening import flatten
from wherry.image.local import Image
from wherry.image.model import ContainerConfig, Descriptor, ImageConfig, Manifest, RootFilesystem
from wherry.image.table import read_entries, rebuild
from wherry.image.tree import Tree
from wherry.store import Layer, open_at


class Impossible(Exception):
    """No tool can apply this: a path through a file."""


class Unclear(Exception):
    """The specification does not say what this means: a hard link to nothing, or to what the same layer removes."""


@dataclass
class Node:
    """A file, directory or link of the model; ``layer`` is the last that touched it."""

    kind: str
    mode: int
    mtime: int
    layer: int
    content: object = b""
    children: dict[str, Node] = field(default_factory=dict)


class Model:
    """A root file system to which layers are applied entry by entry, as the specification says it."""

    def __init__(self) -> None:
        self.root = Node("dir", 0o755, 0, 0)
        self.layer = 0

    def apply(self, items: list[Item]) -> None:
        self.layer += 1
        for item in items:
            self._apply(item)

    def _apply(self, item: Item) -> None:
        *folders, name = item.name.split("/")
        parent = self._folder(folders)
        if name == ".wh..wh..opq":
            self._prune(parent)
        elif name.startswith(".wh."):
            self._whiteout(parent, name[4:])
        elif item.kind == b"5":
            self._directory(parent, name, item)
        elif item.kind == b"1":
            self._link(parent, name, item)
        else:
            kind = "symlink" if item.kind == b"2" else "file"
            content = item.target if kind == "symlink" else item.data
            parent.children[name] = Node(kind, item.mode, int(item.mtime), self.layer, content)

    def _folder(self, folders: list[str]) -> Node:
        at = self.root
        for name in folders:
            found = at.children.get(name)
            if found is None or (found.kind != "dir" and found.layer < self.layer):
                found = at.children[name] = Node("dir", 0o755, 0, self.layer)
            elif found.kind != "dir":
                raise Impossible
            found.layer = self.layer
            at = found
        return at

    def _prune(self, folder: Node) -> None:
        for name, child in list(folder.children.items()):
            if child.layer < self.layer:
                del folder.children[name]
            elif child.kind == "dir":
                self._prune(child)

    def _whiteout(self, parent: Node, name: str) -> None:
        found = parent.children.get(name)
        if found is None:
            return
        if found.layer < self.layer:
            del parent.children[name]
        elif found.kind == "dir":
            self._prune(found)

    def _directory(self, parent: Node, name: str, item: Item) -> None:
        found = parent.children.get(name)
        if found is None or found.kind != "dir":
            found = parent.children[name] = Node("dir", 0, 0, self.layer)
        found.mode, found.mtime, found.layer = item.mode, int(item.mtime), self.layer

    def _link(self, parent: Node, name: str, item: Item) -> None:
        at: Node | None = self.root
        for part in item.target.split("/"):
            at = at.children.get(part) if at is not None else None
        if at is parent.children.get(name) and at is not None:
            raise Unclear  # to itself
        if at is None or at.kind == "dir":
            raise Unclear  # refused, unless a later entry takes its place
        parent.children[name] = replace(at, layer=self.layer)

    def listing(self) -> dict[str, tuple[object, ...]]:
        return dict(self._list("", self.root))

    def _list(self, path: str, node: Node) -> Iterator[tuple[str, tuple[object, ...]]]:
        for name, child in node.children.items():
            mode = None if child.kind == "symlink" else child.mode
            yield f"{path}/{name}", (child.kind, mode, child.mtime, child.content)
            yield from self._list(f"{path}/{name}", child)


_names = st.sampled_from("abc")
_folders = st.lists(_names, max_size=2).map("/".join)


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}".lstrip("/")


_paths = st.builds(_path, _folders, _names)
_files = st.builds(file, _paths, st.binary(max_size=3), st.sampled_from([0o644, 0o755, 0o600, 0o444]))
_directories = st.builds(directory, _paths, st.sampled_from([0o755, 0o700, 0o555, 0o1777, 0o775]))
_symlinks = st.builds(
    symlink, st.builds(_path, _folders, st.sampled_from("st")), st.sampled_from(["a", "../b", "/c/a"])
)
_hardlinks = st.builds(hardlink, st.builds(_path, _folders, st.sampled_from("hi")), _paths)
_whiteouts = st.builds(whiteout, st.builds(_path, _folders, st.sampled_from("abcst")))
_opaques = st.builds(lambda folder: Item(_path(folder, ".wh..wh..opq")), _folders)
_items = st.one_of(_files, _files, _files, _directories, _directories, _symlinks, _whiteouts, _opaques, _hardlinks)
_layers = st.lists(st.lists(_items, max_size=7), min_size=1, max_size=4)


@settings(max_examples=150)
@given(_layers)
def test_any_layers_merge_to_what_the_model_says(layers: list[list[Item]]) -> None:
    """Look-ups in the merged view and the flattened tree agree with the model, in kind, mode, time and content."""
    stamped = [[replace(item, mtime=EPOCH + number) for item in items] for number, items in enumerate(layers)]
    model = Model()
    with _folder() as folder:
        tars = [tar_of(items) for items in stamped]
        try:
            for items in stamped:
                model.apply(items)
        except Unclear:
            return
        except Impossible:
            with contextlib.suppress(BrokenArchive):
                stack(tars, folder)
                raise AssertionError("what cannot be applied was applied")  # noqa: B904
            return
        applied = stack(tars, folder)
        view = Tree.of(applied, exact=True)
        assert model.listing() == dict(_seen(view, "/"))
        kept = {path: (kind, mode and mode & ~0o022, *rest) for path, (kind, mode, *rest) in model.listing().items()}
        assert kept == dict(_on_disk(Path(_flattened(applied, folder)), ""))


@settings(max_examples=100)
@given(_layers)
def test_any_layer_gives_back_its_exact_tar(layers: list[list[Item]]) -> None:
    """Tree and table together are the tar, byte by byte; where they cannot be, the layer says so."""
    with _folder() as folder:
        tars = [tar_of(items) for items in layers]
        try:
            applied = stack(tars, folder)
        except BrokenArchive:
            return
        for tar, items, layer in zip(tars, layers, applied, strict=True):
            entries = list(read_entries(layer.table))
            assert [item.name for item in items] == [entry.path for entry in entries]
            if layer.meta.rebuildable:
                assert b"".join(rebuild(layer)) == tar
            else:
                names = [item.name for item in items]
                assert any(a.startswith(b) for i, a in enumerate(names) for j, b in enumerate(names) if i != j)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="wherry-test-"))
    try:
        yield path
    finally:
        make_removable(path)
        shutil.rmtree(path)


def _flattened(layers: tuple[Layer, ...], folder: Path) -> str:
    digests = tuple(layer.meta.diff_id for layer in layers)
    manifest = Manifest("", Descriptor("", Digest.of(b""), 0), ())
    config = ImageConfig("amd64", "linux", ContainerConfig(), RootFilesystem("layers", digests))
    return flatten(open_at(str(folder / "store")), Image("test", Digest.of(b""), "", manifest, config, layers))


def _seen(view: Tree, path: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for name in view.listdir(path):
        inner = f"{path.rstrip('/')}/{name}"
        entry = view.stat(inner, follow=False)
        assert entry is not None
        yield inner, _described(entry.real, entry.mode, entry.mtime_ns)
        if entry.is_dir:
            yield from _seen(view, inner)


def _on_disk(root: Path, path: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for name in os.listdir(f"{root}{path}"):
        inner = f"{path}/{name}"
        found = os.lstat(f"{root}{inner}")
        yield inner, _described(f"{root}{inner}", found.st_mode, found.st_mtime_ns)
        if stat.S_ISDIR(found.st_mode):
            yield from _on_disk(root, inner)


def _described(real: str, mode: int, mtime_ns: int) -> tuple[object, ...]:
    seconds, bits = mtime_ns // 10**9, stat.S_IMODE(mode)
    if stat.S_ISDIR(mode):
        return ("dir", bits, seconds, b"")
    if stat.S_ISLNK(mode):
        return ("symlink", None, seconds, os.readlink(real))
    return ("file", bits, seconds, Path(real).read_bytes())
