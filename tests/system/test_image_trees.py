"""The trees that Wherry makes are those that umoci and docker make of the same images, entry by entry."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

import images
from docker_daemon import Docker
from layers import Item, directory, file, hardlink, make_removable, symlink, tar_of, whiteout, write_layout
from wherry.image import Image, flatten, load_file, root_tar
from wherry.image.table import TableEntry, read_entries
from wherry.store import Store, open_at

_PAX = {"SCHILY.xattr.user.flavour": "v", "mtime": "1600000000.123456789"}

_ODD = (
    (
        directory("./", mode=0o755),
        directory("etc"),
        file("etc/shadow", b"secret", mode=0o640, gid=42),
        file("etc/unreadable", b"write only", mode=0o200),
        file("bin/su", b"#!", mode=0o4755),
        directory("tmp", mode=0o1777),
        directory("shared", mode=0o2775, gid=50),
        directory("closed", mode=0o500),
        file("closed/inner", b"x", mode=0o400),
        hardlink("bin/su-too", "bin/su", mode=0o4755),
        symlink("usr/bin", "../bin"),
        symlink("absolute", "/etc"),
        symlink("dangling", "nowhere/at/all"),
        file("precise", b"t", pax=_PAX),
        file("before-1970", b"t", mtime=-100.5),
        Item("fifo", tarfile.FIFOTYPE, mode=0o600),
        directory("gone"),
        file("gone/file", b"1"),
        directory("emptied"),
        file("emptied/file", b"1"),
        directory("kept", mode=0o711, mtime=1500000000),
        file("kept/file", b"1"),
        file("linked-below", b"lower content"),
        file("long/" + "n" * 120 + "/" + "m" * 200, b"long"),
        file(os.fsdecode(b"bytes-\xe9\xff"), b"latin"),
        file("becomes-a-directory", b"f"),
        directory("becomes-a-file"),
        file("becomes-a-file/inner", b"f"),
    ),
    (
        whiteout("gone"),
        file("emptied/.wh..wh..opq"),
        file("emptied/new", b"2"),
        file("kept/added", b"2"),
        hardlink("linked-above", "linked-below"),
        directory("becomes-a-directory", mode=0o750),
        file("becomes-a-directory/inner", b"2"),
        file("becomes-a-file", b"2"),
        file("etc/shadow", b"new secret", mode=0o600),
    ),
    (
        whiteout("kept/file"),
        file("gone", b"a file again"),
        whiteout("linked-above"),
        directory("emptied", mode=0o700),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_an_odd_image_is_as_umoci_unpacks_it(store: Store, tmp_path: Path, form: int) -> None:
    layout = write_layout(tmp_path / "layout", [tar_of(items, form) for items in _ODD], form="gzip")
    _compare(store, layout, tmp_path)


@pytest.mark.parametrize("name", ["layered", "small"])
def test_a_made_image_is_as_umoci_unpacks_it(store: Store, tmp_path: Path, name: str) -> None:
    _compare(store, images.image(name), tmp_path)


def _compare(store: Store, layout: Path, tmp_path: Path) -> None:
    image = load_file(store, str(layout))
    bundle = tmp_path / "bundle"
    command = ["umoci", "unpack", "--rootless", "--image", f"{layout}:latest", str(bundle)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        theirs = _listing(str(bundle / "rootfs"), {})
        facts = _facts(image)
        ours = _listing(flatten(store, image), facts)
        for path, entry in facts.items():
            if entry.kind in ("char", "block"):  # umoci puts an empty file in a device's place, we put nothing
                theirs.pop(path, None)
        implicit = {path for path, entry in ours.items() if entry[0] == "dir" and path not in facts}
        for path in implicit:  # made because something lies in them: they have no time of their own
            ours[path], theirs[path] = ours[path][:2], theirs[path][:2]
        assert ours == theirs
    finally:
        make_removable(bundle)


def _facts(image: Image) -> dict[str, TableEntry]:
    """The last word of the layers' tables about each path."""
    return {entry.path: entry for layer in image.layers for entry in read_entries(layer.table) if entry.kind != "link"}


def _listing(root: str, facts: dict[str, TableEntry]) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, list[str]] = defaultdict(list)
    for path, folders, files in os.walk(root):
        for name in sorted(folders + files):
            place = f"{path}/{name}"
            inner = place[len(root) + 1 :]
            status = os.lstat(place)
            if stat.S_ISREG(status.st_mode):
                inodes[status.st_ino].append(inner)
            found[inner] = (*_described(place, status, facts.get(inner)),)
    for paths in inodes.values():
        for path in paths:
            first = facts.get(min(paths))
            bits = first.mode & 0o6000 if first is not None else 0
            kind, mode, *rest = found[path]
            assert isinstance(mode, int)
            found[path] = (kind, mode | bits, *rest, tuple(paths))
    return found


def _described(place: str, status: os.stat_result, fact: TableEntry | None) -> tuple[object, ...]:
    if stat.S_ISLNK(status.st_mode):
        return ("symlink", 0o777, status.st_mtime_ns, os.readlink(place))
    mode = stat.S_IMODE(status.st_mode) | (fact.mode & 0o6022 if fact is not None else 0)
    xattrs = {
        name: os.getxattr(place, name)
        for name in os.listxattr(place)
        if name.startswith("user.") and not name.startswith(("user.rootlesscontainers", "user.overlay."))
    }
    if stat.S_ISDIR(status.st_mode):
        return ("dir", mode, status.st_mtime_ns, xattrs)
    if stat.S_ISFIFO(status.st_mode):
        return ("fifo", mode, status.st_mtime_ns, xattrs)
    if not status.st_mode & 0o400:
        os.chmod(place, stat.S_IMODE(status.st_mode) | 0o400)
    with open(place, "rb") as content:
        return ("file", mode, status.st_mtime_ns, xattrs, hashlib.file_digest(content, "sha256").hexdigest())


# ---- docker ---------------------------------------------------------------------------------------------------------

_DOCKERS_OWN = {".dockerenv", "dev/console", "dev/pts", "dev/shm", "proc", "sys"}
_DOCKERS_OWN |= {"etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
"""What docker puts into a container's first layer, or empties there, whatever the image has."""

_TOUCHED = {"dev", "etc"}
"""Directories that got new times by that."""

_CAPABILITY = "SCHILY.xattr.security.capability"
_MAY_PING = {_CAPABILITY: "\x01\0\0\x02\0\x20\0\0" + "\0" * 12}

_ROOTS = (
    Item("dev/zero", tarfile.CHRTYPE, mode=0o666, device=(1, 5)),
    Item("dev/disk", tarfile.BLKTYPE, mode=0o660, gid=6, device=(8, 0)),
    file("owned", b"x", uid=1000, gid=100_000),
    symlink("owned-link", "owned"),
    file("ping", b"#!", mode=0o755, pax=_MAY_PING),
    file("both", b"#!", mode=0o6711, uid=33, gid=33),
)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_an_odd_image_is_as_docker_exports_it(store: Store, tmp_path: Path, docker: Docker, form: int) -> None:
    # Docker's overlay2 makes no link to a file of an earlier layer; its builder writes the file again, as here.
    again = (file("linked-below", b"lower content"), *_ODD[1])
    layers = (_ODD[0] + _ROOTS, again, _ODD[2])
    layout = write_layout(tmp_path / "layout", [tar_of(items, form) for items in layers], form="gzip")
    _compare_with_docker(store, layout, docker, "odd")


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_a_made_image_is_as_docker_exports_it(store: Store, docker: Docker, name: str) -> None:
    _compare_with_docker(store, images.image(name), docker, name)


class _Seen(NamedTuple):
    """What root sees at a path; ``names`` are all that a file has, ``detail`` what is particular to the kind."""

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    detail: object = None
    mtime: int = 0
    names: tuple[str, ...] = ()


def _compare_with_docker(store: Store, layout: Path, docker: Docker, name: str) -> None:
    image = load_file(store, str(layout))
    docker.take(layout, name)
    try:
        with docker.exported(name) as tar:
            theirs = _exported(tar)
    finally:
        docker("rmi", "--force", name)
    ours = _as_root_would_see(flatten(store, image), _facts(image))
    with tarfile.open(fileobj=io.BytesIO(b"".join(root_tar(image))), encoding="utf-8") as tar:
        ours_exported = _exported(tar)
    for trees in (ours, theirs, ours_exported):
        for path in _DOCKERS_OWN & trees.keys():
            del trees[path]
        for path in _TOUCHED & trees.keys():
            trees[path] = trees[path]._replace(mtime=0)
        for path in _implicit(image) & trees.keys():
            trees[path] = _Seen(trees[path].kind)
    for mine in (ours, ours_exported):
        paths = sorted(mine.keys() | theirs.keys())
        assert [(path, mine.get(path), theirs.get(path)) for path in paths if mine.get(path) != theirs.get(path)] == []


def _exported(tar: tarfile.TarFile) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    names: dict[str, list[str]] = defaultdict(list)
    for member in tar:
        path = member.name.removeprefix("./").strip("/")
        if path in ("", "."):
            continue
        names[member.linkname if member.islnk() else path].append(path)
        if not member.islnk():
            found[path] = _exported_entry(tar, member)
    for first, all_ in names.items():
        seen = found[first]
        found |= dict.fromkeys(all_, seen._replace(names=tuple(sorted(all_)) if seen.kind == "file" else ()))
    return found


def _exported_entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> _Seen:
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.FIFOTYPE: "fifo"}
    kinds |= {tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block"}
    kind = kinds.get(member.type, "file")
    detail: object = None
    if kind == "file":
        content = tar.extractfile(member)
        assert content is not None
        detail = (hashlib.file_digest(content, "sha256").hexdigest(), member.pax_headers.get(_CAPABILITY, "").encode())
    elif kind in ("char", "block"):
        detail = (member.devmajor, member.devminor)
    elif kind == "symlink":
        detail = member.linkname
    return _Seen(kind, member.mode & 0o7777, member.uid, member.gid, detail, max(0, int(member.mtime)))


def _as_root_would_see(root: str, facts: dict[str, TableEntry]) -> dict[str, _Seen]:
    """A tree of ours, with what the table has of it: owners, set-id bits, capabilities, devices."""
    found: dict[str, _Seen] = {}
    for path, (kind, mode, mtime_ns, *rest) in _listing(root, {}).items():
        assert isinstance(kind, str) and isinstance(mode, int) and isinstance(mtime_ns, int)
        names = rest.pop() if kind == "file" else ()
        assert isinstance(names, tuple)
        fact = next((facts[name] for name in names or (path,) if name in facts), None)
        detail = rest[0] if kind == "symlink" else None
        if kind == "file":
            capability = fact.xattrs.get(_CAPABILITY.removeprefix("SCHILY.xattr."), b"") if fact else b""
            detail = (rest[1], capability)
        if fact is not None and kind != "symlink":
            mode |= fact.mode & 0o6022  # what a store does not keep on disk
        owner = (fact.uid, fact.gid) if fact else (0, 0)
        found[path] = _Seen(kind, mode, *owner, detail, max(0, mtime_ns // 10**9), tuple(sorted(names)))
    for path, fact in facts.items():
        if fact.kind in ("char", "block"):
            found[path] = _Seen(fact.kind, fact.mode, fact.uid, fact.gid, fact.device, fact.mtime_ns // 10**9)
    return found


def _implicit(image: Image) -> set[str]:
    """Directories that a layer puts something into without naming them: docker makes them anew, we keep the lower's."""
    named: dict[str, int] = {}
    used: dict[str, int] = {}
    for number, layer in enumerate(image.layers):
        for entry in read_entries(layer.table):
            if entry.kind == "dir":
                named[entry.path] = number
            path = entry.path
            while path:
                path = path.rpartition("/")[0]
                used[path] = number
    return {path for path, number in used.items() if number > named.get(path, -1)}
