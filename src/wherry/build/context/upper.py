"""An overlay's upper directory written without mounting it, over the view of what lies below.

Owners and what else an ordinary user cannot set are noted as a build's supervisor notes them: the attribute
``user.wherry.owner`` (``UID:GID:MODE[:c|b:MAJOR:MINOR]``) and ``user.wherry.xattr.NAME``; for links and pipes a line in
the file ``owners`` beside the directory. What has neither is root's, with the mode that it has.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import stat
from collections.abc import Mapping

import msgspec

from wherry.base.errors import Conflict, HostLacks
from wherry.build.who import OWNER
from wherry.containers import remove_tree
from wherry.image import Entry, Tree

__all__ = ["Facts", "Upper"]

_FOREIGN = "user.wherry.xattr."
_OPAQUE = "user.overlay.opaque"
_WHITEOUT = "user.overlay.whiteout"
_MOST_LINKS = 40
_SPECIAL = 0o6000


class Facts(msgspec.Struct, frozen=True):
    """What something is to have in the image; ``mtime_ns`` None: the time at which it is made. A device is an empty
    file of ``kind`` c or b. ``foreign`` attributes are noted, those of ``users`` really set."""

    uid: int
    gid: int
    mode: int
    mtime_ns: int | None = None
    kind: str = ""
    device: tuple[int, int] = (0, 0)
    foreign: Mapping[str, bytes] = {}
    users: Mapping[str, bytes] = {}


class Upper:
    """Paths are as in the image (``/usr/bin``; the root is empty), and canonical: without links, ``.`` and ``..``.

    One thread uses it. :meth:`close` sets the directories' times, which change while something is made in them.
    """

    def __init__(self, folder: str, below: Tree) -> None:
        self.folder = folder
        self._below = below
        self._new: set[str] = set()
        self._there: set[str] = {""}
        self._opaque: dict[str, bool] = {}
        self._times: dict[str, int] = {}
        self._modes: dict[str, int] = {}
        self._owners: list[bytes] = []
        if below.root.real:
            self._take_after(below.root, "")

    def close(self) -> None:
        """Afterwards nothing may be made any more."""
        for path in sorted(self._times, reverse=True):
            time = self._times[path]
            os.utime(self.folder + path, ns=(time, time), follow_symlinks=False)
        for path in sorted(self._modes, reverse=True):
            os.chmod(self.folder + path, self._modes[path])
        if self._owners:
            with open(f"{os.path.dirname(self.folder)}/owners", "ab") as file:
                file.write(b"".join(self._owners))

    def kind(self, path: str) -> str:
        """What is at ``path`` in the view of both: ``dir``, ``link``, ``other`` or nothing."""
        found = self._lstat(path)
        if found is not None:
            if self._is_whiteout(path, found):
                return ""
            return "dir" if stat.S_ISDIR(found.st_mode) else "link" if stat.S_ISLNK(found.st_mode) else "other"
        if self._is_hidden(path.rpartition("/")[0]):
            return ""
        below = self._below.stat(path or "/", follow=False)
        if below is None:
            return ""
        return "dir" if below.is_dir else "link" if below.target else "other"

    def resolve(self, path: str) -> str:
        """``path`` without links, ``.`` and ``..``; what does not exist is kept as it is."""
        todo = [part for part in reversed(path.split("/")) if part]
        trail: list[str] = []
        links = 0
        while todo:
            name = todo.pop()
            if name == ".":
                continue
            if name == "..":
                del trail[-1:]
                continue
            here = "/" + "/".join((*trail, name))
            if self.kind(here) == "link":
                links += 1
                if links > _MOST_LINKS:
                    raise Conflict(f"'{path}' cannot be written", why="symbolic links go round in a circle there")
                target = self._target(here)
                if target.startswith("/"):
                    trail.clear()
                todo.extend(part for part in reversed(target.split("/")) if part)
                continue
            trail.append(name)
        return "".join(f"/{name}" for name in trail)

    def make_folder(self, path: str, facts: Facts, *, replace: bool = False) -> list[str]:
        """Make a directory and those above it where there are none; the new ones, which get ``facts``.

        What is in the way is an error (:class:`Conflict`), or makes room if ``replace``.
        """
        missing: list[str] = []
        while path not in self._there:
            missing.append(path)
            path = path.rpartition("/")[0]
        made: list[str] = []
        for here in reversed(missing):
            kind = self.kind(here)
            if kind == "dir":
                self._copy_up(here)
            elif kind and not replace:
                raise _in_the_way(here, self._target(here) if kind == "link" else "")
            else:
                self._make_new(here, facts)
                made.append(here)
            self._there.add(here)
        return made

    def describe(self, path: str, facts: Facts) -> None:
        """Give a directory that is in the upper one already its owner, mode, attributes and time."""
        descriptor = os.open(self.folder + path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self.note(descriptor, facts, is_dir=True)
        finally:
            os.close(descriptor)
        self._modes.pop(path, None)  # what is noted counts wholly
        if facts.mtime_ns is not None:
            self._times[path] = facts.mtime_ns

    def place(self, path: str, *, replace: bool = False) -> str:
        """Make room for what is no directory at ``path``, in a directory that was made; where it is on disk."""
        real = self.folder + path
        parent = path.rpartition("/")[0]
        if parent not in self._new or os.path.lexists(real):
            if self.kind(path) == "dir":
                if not replace:
                    raise Conflict(f"cannot copy a file to '{path}'", why="it is a directory in the image")
                for known in [each for each in self._there if each == path or each.startswith(f"{path}/")]:
                    self._there.discard(known)
                    self._new.discard(known)
                    self._times.pop(known, None)
                    self._opaque.pop(known, None)
            if os.path.lexists(real):
                remove_tree(real)
        return real

    def note(self, descriptor: int, facts: Facts, *, is_dir: bool = False) -> None:
        """Mode, owner and attributes of an open file or directory of the upper directory."""
        least = 0o700 if is_dir else 0o600
        mode = facts.mode & 0o7777
        os.fchmod(descriptor, mode & 0o1777 | least)
        odd = facts.uid or facts.gid or mode & _SPECIAL or mode & least != least or facts.kind
        try:
            for name, value in facts.users.items():
                os.setxattr(descriptor, name, value)
            for name, value in facts.foreign.items():
                os.setxattr(descriptor, _FOREIGN + name, value)
            if odd or is_dir or facts.foreign:
                os.setxattr(descriptor, OWNER, _value(facts))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            raise HostLacks(
                "whose a file is cannot be noted",
                why=f"the file system of '{self.folder}' takes no such attribute",
                hint="WHERRY_STORE puts the store elsewhere",
            ) from error

    def note_beside(self, path: str, facts: Facts) -> None:
        """The same of a link or pipe, which can have no attributes."""
        if not (facts.uid or facts.gid or facts.foreign or facts.mode & _SPECIAL):
            return
        line: dict[str, object] = {"path": path.strip("/"), "uid": facts.uid, "gid": facts.gid, "mode": facts.mode}
        if facts.foreign:
            line["xattrs"] = {name: base64.b64encode(value).decode() for name, value in facts.foreign.items()}
        import json  # msgspec refuses the halves of characters that names of undecodable bytes are written with

        self._owners.append(json.dumps(line).encode() + b"\n")

    # ---- what is there ----------------------------------------------------------------------------------------------

    def _lstat(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self.folder + path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _is_whiteout(self, path: str, found: os.stat_result) -> bool:
        if stat.S_ISCHR(found.st_mode):
            return found.st_rdev == 0
        if not stat.S_ISREG(found.st_mode) or found.st_size:
            return False
        try:
            os.getxattr(self.folder + path, _WHITEOUT, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _is_hidden(self, folder: str) -> bool:
        """Whether nothing of what lies below is seen in ``folder``."""
        while folder:
            if folder in self._new or self._is_opaque(folder):
                return True
            folder = folder.rpartition("/")[0]
        return False

    def _is_opaque(self, folder: str) -> bool:
        if folder not in self._opaque:
            try:
                found = os.getxattr(self.folder + folder, _OPAQUE, follow_symlinks=False) == b"y"
            except OSError:
                found = False
            self._opaque[folder] = found
        return self._opaque[folder]

    def _target(self, path: str) -> str:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.readlink(self.folder + path)
        below = self._below.stat(path, follow=False)
        return below.target if below is not None else ""

    # ---- making -----------------------------------------------------------------------------------------------------

    def _copy_up(self, path: str) -> None:
        """Owner and the rest stay those below, since nothing is noted."""
        found = self._lstat(path)
        if found is not None:
            self._times.setdefault(path, found.st_mtime_ns)
            if found.st_mode & 0o700 != 0o700:
                self._modes.setdefault(path, stat.S_IMODE(found.st_mode))
                os.chmod(self.folder + path, stat.S_IMODE(found.st_mode) | 0o700)
            return
        below = self._below.stat(path, follow=False)
        assert below is not None
        os.mkdir(self.folder + path, 0o700)
        self._take_after(below, path)

    def _take_after(self, below: Entry, path: str) -> None:
        mode = stat.S_IMODE(below.mode) & 0o1777
        os.chmod(self.folder + path, mode | 0o700)
        if mode & 0o700 != 0o700:
            self._modes[path] = mode  # in the end: now something is to be made in it
        self._times[path] = below.mtime_ns

    def _make_new(self, path: str, facts: Facts) -> None:
        real = self.folder + path
        replaced = self._lstat(path) is not None
        if replaced:
            remove_tree(real)
        os.mkdir(real, 0o700)
        if replaced and not self._is_hidden(path.rpartition("/")[0]):
            below = self._below.stat(path, follow=False)
            if below is not None and below.is_dir:
                os.setxattr(real, _OPAQUE, b"y")
        self._new.add(path)
        self.describe(path, facts)


def _in_the_way(path: str, target: str) -> Conflict:
    what = f"cannot copy a directory to '{path}'"
    if target:
        hint = "copy to where it leads, or what is in the directory one by one"
        return Conflict(what, why=f"it is a link to '{target}' in the image", hint=hint)
    return Conflict(what, why="it is not a directory in the image")


def _value(facts: Facts) -> bytes:
    device = f":{facts.kind}:{facts.device[0]}:{facts.device[1]}" if facts.kind else ""
    return f"{facts.uid}:{facts.gid}:{facts.mode & 0o7777:o}{device}".encode()
