"""What a command changed in a draft, moved into an upper directory: the form in which an overlay keeps changes.

Owners: the command could give nothing away, so what it made is its own user's (in a set-group-ID directory with that
one's group), and what it only wrote to, or moved, is whose it was.
"""

from __future__ import annotations

import json
import os
import stat

import msgspec

from wherry.build.drafts.draft import Draft, Known, joined, mark_of, opened
from wherry.build.who import OWNER, Ids

__all__ = ["take"]

_OPAQUE = "user.overlay.opaque"
_WHITEOUT = "user.overlay.whiteout"
_STEERING = ("user.overlay.", "user.fuseoverlayfs.", "user.wherry.")


def take(draft: Draft, upper: str, user: Ids) -> None:
    """Move the changes into the empty directory ``upper``, with a note of each owner that is not root. The draft can
    follow other layers afterwards. Raises :class:`OSError`."""
    _Taking(draft, upper, user).all()


class _Taking:
    def __init__(self, draft: Draft, upper: str, user: Ids) -> None:
        self._draft = draft
        self._upper = upper
        self._user = user
        self._made: list[tuple[str, os.stat_result]] = []
        self._there: set[str] = set()
        self._seen: dict[str, os.stat_result] = {}
        self._lines: list[str] = []
        self._linked: set[int] = set()
        self._closed: list[tuple[str, int]] = []

    def all(self) -> None:
        self._seen[""] = os.lstat(self._draft.root)
        pending = [""]
        while pending:
            folder = pending.pop()
            place, status = self._draft.at(folder), self._seen[folder]
            if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                os.chmod(place, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)
                self._draft.renew(folder)
            if self._is_described_anew(folder, status):
                self._copy_up(folder)
            pending += self._folder(folder, os.listdir(place))
        for place, mode in reversed(self._closed):
            os.chmod(place, mode)
        for path, status in reversed(self._made):
            place = f"{self._upper}/{path}"
            os.utime(place, ns=(status.st_mtime_ns, status.st_mtime_ns))
            os.chmod(place, stat.S_IMODE(status.st_mode))
        if self._lines:
            with open(f"{os.path.dirname(self._upper)}/owners", "a", encoding="ascii") as file:
                file.writelines(self._lines)

    def _folder(self, folder: str, names: list[str]) -> list[str]:
        """Take what differs in one directory; the directories in it that are the old ones."""
        draft = self._draft
        deeper = []
        for name in sorted(draft.names[folder].difference(names)):
            self._removed(folder, joined(folder, name))
        for name in sorted(names):
            path = joined(folder, name)
            status, known = os.lstat(draft.at(path)), draft.known.get(path)
            if known is not None and stat.S_ISDIR(status.st_mode) and self._is_old(path, status, known):
                self._seen[path] = status
                deeper.append(path)
            elif known is None or stat.S_ISDIR(status.st_mode) or not known.is_still(status):
                self._move(folder, path, status, known)
        if self._seen[folder].st_mtime_ns != draft.known[folder].mtime_ns:
            draft.renew(folder)
        return deeper

    def _is_old(self, path: str, status: os.stat_result, known: Known) -> bool:
        if not stat.S_ISDIR(known.mode) or status.st_ino != known.inode:
            return False
        return not self._draft.marked or mark_of(self._draft.at(path)) == path

    def _is_described_anew(self, folder: str, status: os.stat_result) -> bool:
        known = self._draft.known[folder]
        return status.st_mode != known.mode or _attributes(self._draft.at(folder)) != known.attributes

    def _copy_up(self, folder: str) -> None:
        """Make a directory of the draft in the upper one too, and those above it."""
        missing = []
        while folder not in self._there:
            missing.append(folder)
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        for path in reversed(missing):
            self._there.add(path)
            self._draft.renew(path)
            status, place = self._seen[path], f"{self._upper}/{path}"
            if path:
                os.mkdir(place, 0o700)
            for name, value in _attributes(self._draft.at(path)).items():
                os.setxattr(place, name, value)
            if status.st_mode != self._draft.known[path].mode:
                owner = self._draft.odd.get(path)
                _note(place, Ids(owner.uid, owner.gid) if owner else Ids(0, 0), stat.S_IMODE(status.st_mode))
            if path or status.st_mode != self._draft.known[path].mode:
                self._made.append((path, status))

    def _removed(self, folder: str, path: str) -> None:
        self._copy_up(folder)
        place = f"{self._upper}/{path}"
        try:
            os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))
        except OSError:  # before Linux 5.8, and in some containers
            with open(place, "xb"):
                os.setxattr(place, _WHITEOUT, b"y")
        self._draft.forget(path)

    def _move(self, folder: str, path: str, status: os.stat_result, known: Known | None) -> None:
        self._copy_up(folder)
        source, place = self._draft.at(path), f"{self._upper}/{path}"
        if not stat.S_ISDIR(status.st_mode):
            os.rename(source, place)
        else:
            with opened(source):
                os.rename(source, place)
        self._draft.forget(path)
        above = self._draft.odd.get(folder)
        owner = self._user
        if self._seen[folder].st_mode & stat.S_ISGID:
            owner = Ids(owner.uid, above.gid if above else 0)
        self._own(path, status, owner)
        if known is not None and stat.S_ISDIR(known.mode) and stat.S_ISDIR(status.st_mode):
            with opened(place):
                os.setxattr(place, _OPAQUE, b"y")

    def _own(self, path: str, status: os.stat_result, owner: Ids) -> None:
        """Note whose it is, and whose all in it is."""
        pending = [(path, status, owner)]
        while pending:
            path, status, owner = pending.pop()
            place = f"{self._upper}/{path}"
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                self._own_beside(path, status, owner)
                continue
            if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
                if status.st_ino in self._linked:
                    continue  # by another name
                self._linked.add(status.st_ino)
            owner = self._whose(place, status, owner)
            if owner != Ids(0, 0):
                _note(place, owner, stat.S_IMODE(status.st_mode))
            if stat.S_ISDIR(status.st_mode):
                inner = owner if status.st_mode & stat.S_ISGID else Ids(owner.uid, self._user.gid)
                inner = msgspec.structs.replace(inner, uid=self._user.uid)
                if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                    os.chmod(place, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)
                    self._closed.append((place, stat.S_IMODE(status.st_mode)))
                for name in sorted(os.listdir(place)):
                    pending.append((joined(path, name), os.lstat(f"{place}/{name}"), inner))

    def _whose(self, place: str, status: os.stat_result, owner: Ids) -> Ids:
        """Of a marked file, the owner that it had: it was written to, or moved, or copied with its owner."""
        mark = _unsteered(place)
        was = self._draft.odd.get(mark) if mark is not None else None
        return owner if was is None else Ids(was.uid, was.gid)

    def _own_beside(self, path: str, status: os.stat_result, owner: Ids) -> None:
        if owner != Ids(0, 0) and (stat.S_ISLNK(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            line = {"path": path, "uid": owner.uid, "gid": owner.gid, "mode": stat.S_IMODE(status.st_mode)}
            self._lines.append(f"{json.dumps(line)}\n")


def _note(place: str, owner: Ids, mode: int) -> None:
    with opened(place):
        os.setxattr(place, OWNER, f"{owner.uid}:{owner.gid}:{mode:o}".encode())


def _unsteered(place: str) -> str | None:
    """Take away what steers an overlay or notes an owner, for a command can set it too; the mark that was there."""
    steering = [name for name in os.listxattr(place) if name.startswith(_STEERING)]
    if not steering:
        return None
    mark = mark_of(place)
    with opened(place):
        for name in steering:
            os.removexattr(place, name)
    return mark


def _attributes(place: str) -> dict[str, bytes]:
    """The user's own."""
    found = {}
    for name in os.listxattr(place):
        if name.startswith("user.") and not name.startswith(_STEERING):
            found[name] = os.getxattr(place, name)
    return found
