"""Files that really belong to other ids (a subordinate range): laid over an image whose tree cannot show them so, and
taken back from an upper directory as the caller's, with a note whose they were (the forms are in ``owners``).

What writes here needs the rights over all these ids, and runs in a child that has them: nothing is imported in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.image.making import attributes as attrs
from wherry.image.making.below import Below
from wherry.image.making.folders import Folders
from wherry.image.making.owners import FOREIGN, OWNER, Owner

if TYPE_CHECKING:
    from wherry.image.tree import Entry
    from wherry.store import Layer, Store

__all__ = ["Shown", "claim", "shown_owners", "write_shown"]

_MOST = 20_000
_LARGEST = 64 << 20
"""Entries, and bytes of files: they are copied for each step, and the layer is right without them."""

_CAPABILITY = "security.capability"

Ids = Callable[[int, int], tuple[int, int]]


class Shown(msgspec.Struct, frozen=True):
    """An entry of the layers as it is to be seen: ``path`` below the root, ``real`` where its content lies; ``is_odd``:
    the trees show it otherwise."""

    path: str
    real: str
    target: str
    uid: int
    gid: int
    mode: int
    mtime_ns: int
    is_dir: bool
    size: int
    is_odd: bool


def shown_owners(store: Store, layers: Sequence[Layer]) -> tuple[tuple[Shown, ...], bool]:
    """Entries (each after its directory) that the layers' trees show otherwise than they are, and the directories on
    the way; whether these are all. Directories that all may write are left out: every start makes them so itself."""
    open_to_all = {path for layer in layers for path, _ in layer.meta.open_folders}
    found: dict[str, Shown] = {}
    below = Below(store, layers)
    whole, left, size = True, _MOST, _LARGEST
    for path, (entry, owner) in sorted(below.odd.items(), key=lambda item: (not item[1][0].is_dir, item[1][0].size)):
        if not path or owner.xattrs or path in open_to_all:  # the root is that of the upper directory
            continue
        left, size = left - 1, size - (entry.size if entry.is_file else 0)
        if left < 0 or size < 0:
            whole = False
            break
        found[path] = _shown(path, entry, owner, is_odd=True)
    for path in tuple(found):
        while path:
            path = path.rpartition("/")[0]
            if path in found:
                continue
            above = below.find(path) if path else below.root
            assert above is not None
            found[path] = _shown(path, above, below.owner(above), is_odd=False)
    return tuple(found[path] for path in sorted(found)), whole


def _shown(path: str, entry: Entry, owner: Owner, *, is_odd: bool) -> Shown:
    real = entry.folders[0][1] if entry.folders else entry.real
    mode = stat.S_IMODE(entry.mode) if owner.mode < 0 else owner.mode
    return Shown(path, real, entry.target, owner.uid, owner.gid, mode, entry.mtime_ns, entry.is_dir, entry.size, is_odd)


def write_shown(folder: str, entries: Sequence[Shown], outside: Ids) -> frozenset[str]:
    """Make them as a layer in ``folder``; the paths of those that only so are what they are. ``outside`` gives the
    owner on disk for one in the image, negative where there is none: that entry is left out."""
    os.mkdir(folder, 0o755)
    written: list[tuple[Shown, str]] = []
    for entry in entries:
        place = f"{folder}/{entry.path}".rstrip("/")
        uid, gid = outside(entry.uid, entry.gid)
        is_known = uid >= 0 and gid >= 0
        if not is_known and not entry.is_dir:
            continue
        try:
            _make(place, entry)
        except OSError:  # in a store of another user's not everything can be read
            with contextlib.suppress(OSError):
                os.unlink(place)
            continue
        if is_known:
            os.chown(place, uid, gid, follow_symlinks=False)
            written.append((entry, place))
        if not entry.target:
            os.chmod(place, entry.mode & 0o7777)
    for entry, place in reversed(written):
        os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
    return frozenset(entry.path for entry, _ in written if entry.is_odd)


def _make(place: str, entry: Shown) -> None:
    if entry.target:
        os.symlink(entry.target, place)
        return
    if entry.is_dir:
        if entry.path:
            os.mkdir(place, 0o755)
    elif not stat.S_ISREG(os.lstat(entry.real).st_mode):
        os.mkfifo(place, 0o600)
        return
    else:
        shutil.copyfile(entry.real, place, follow_symlinks=False)
    for name in os.listxattr(entry.real):
        if attrs.kept({name: b""}):
            os.setxattr(place, name, os.getxattr(entry.real, name))


def claim(upper: str, inside: Ids, shown: frozenset[str], own: tuple[int, int]) -> None:
    """Give all in ``upper`` to ``own``, with a note of the owner that ``inside`` says for the one on disk. What is at a
    path of ``shown`` had its true owner on disk, also where that is root."""
    folders = Folders(upper, 0)
    lines: list[str] = []
    linked: dict[tuple[int, int], str] = {}
    try:
        _claim(folders.descriptor, folders.here.status, "", inside, shown, own)
        while folders.way:
            names = folders.here.names
            if not names:
                folders.leave()
                continue
            name = names.pop()
            path = folders.here.inside(name)
            found = os.lstat(name, dir_fd=folders.descriptor)
            if stat.S_ISDIR(found.st_mode):
                folders.enter(name)
                _claim(folders.descriptor, found, path, inside, shown, own)
                continue
            key = (found.st_dev, found.st_ino)
            if key not in linked:
                said = _claim_file(folders.descriptor, name, path, found, inside, shown, own)
                if found.st_nlink > 1:
                    linked[key] = said
            else:
                said = linked[key]
            if said:
                lines.append(f'{{"path": {json.dumps(path)}, {said}}}\n')
    finally:
        folders.close()
    if lines:
        with open(f"{os.path.dirname(upper)}/owners", "a", encoding="utf-8") as file:
            file.writelines(lines)


def _claim_file(
    directory: int,
    name: str,
    path: str,
    found: os.stat_result,
    inside: Ids,
    shown: frozenset[str],
    own: tuple[int, int],
) -> str:
    """What the line of a link or fifo says beside its path; empty where nothing has to be said."""
    if stat.S_ISREG(found.st_mode):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            _claim(descriptor, found, path, inside, shown, own)
        finally:
            os.close(descriptor)
        return ""
    os.chown(name, *own, dir_fd=directory, follow_symlinks=False)
    if not (stat.S_ISLNK(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
        return ""  # a whiteout; and no layer has sockets
    uid, gid = inside(found.st_uid, found.st_gid)
    is_known = uid or gid or path in shown
    return f'"uid": {uid}, "gid": {gid}, "mode": {stat.S_IMODE(found.st_mode)}' if is_known else ""


def _claim(
    descriptor: int, found: os.stat_result, path: str, inside: Ids, shown: frozenset[str], own: tuple[int, int]
) -> None:
    for name in os.listxattr(descriptor):
        if name.startswith((OWNER, FOREIGN)):
            os.removexattr(descriptor, name)  # the command's own words
    uid, gid = inside(found.st_uid, found.st_gid)
    if uid or gid or path in shown:
        os.setxattr(descriptor, OWNER, f"{uid}:{gid}:{stat.S_IMODE(found.st_mode):04o}".encode())
    if (found.st_uid, found.st_gid) == own:
        return
    known = attrs.kept(attrs.read(descriptor, path))
    os.fchown(descriptor, *own)  # takes set-id bits and capabilities away
    if _CAPABILITY in known:
        os.setxattr(descriptor, f"{FOREIGN}{_CAPABILITY}", known[_CAPABILITY])
