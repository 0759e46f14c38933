"""Making an upper directory a layer's tree: what a tree in the store never has is taken away, entry by entry.

As ``docs/design/layer-table.md`` says: no owners, no set-id bits, nothing that others may write, no devices, no
attributes that steer a mount.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.image.making import attributes as attrs

if TYPE_CHECKING:
    from wherry.image.headers import Member
    from wherry.image.making.folders import Folder

__all__ = ["Taker"]

_NEVER = 0o6022


class Taker:
    """``make_trash`` makes a folder of the same file system; what is moved there is of no use. ``overlay`` says at the
    end whether all whiteouts are in the overlay's form."""

    def __init__(self, make_trash: Callable[[], str]) -> None:
        self._make_trash = make_trash
        self._trash = ""
        self._count = 0
        self._owner = (os.geteuid(), os.getegid())
        self.overlay = True

    def file(
        self, descriptor: int, found: os.stat_result, member: Member, known: dict[str, bytes], *, emptied: bool
    ) -> None:
        if emptied and found.st_size:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) | stat.S_IWUSR)
            os.truncate(f"/proc/self/fd/{descriptor}", 0)
        self._describe(descriptor, found, member, known, opaque=False)
        if emptied or found.st_mtime_ns != member.mtime_ns:
            os.utime(descriptor, ns=(found.st_atime_ns, member.mtime_ns))

    def folder(
        self, descriptor: int, folder: Folder, member: Member | None, known: dict[str, bytes], *, opaque: bool
    ) -> None:
        """``member`` is None of a root that the layer does not name."""
        if opaque and known.get(attrs.OPAQUE) != b"y":
            try:
                os.setxattr(descriptor, attrs.OPAQUE, b"y")
            except OSError:
                self.overlay = False
        if member is None:
            attrs.strip(descriptor, known, stat.S_IRWXU, opaque=False)
            os.fchmod(descriptor, 0o755)
            os.utime(descriptor, ns=(0, 0))
            folder.opened = False
            return
        self._describe(descriptor, folder.status, member, known, opaque=opaque, opened=folder.opened)
        folder.opened = False
        os.utime(descriptor, ns=(folder.status.st_atime_ns, member.mtime_ns))

    def named(self, folder: int, name: str, found: os.stat_result, member: Member) -> None:
        """What cannot be opened: a symbolic link or a fifo."""
        if (found.st_uid, found.st_gid) != self._owner:
            os.chown(name, *self._owner, dir_fd=folder, follow_symlinks=False)
        if member.kind == "fifo" and stat.S_IMODE(found.st_mode) != member.mode & ~_NEVER:
            os.chmod(name, member.mode & ~_NEVER, dir_fd=folder)
        if found.st_mtime_ns != member.mtime_ns:
            os.utime(name, ns=(found.st_atime_ns, member.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def discard(self, folder: int, name: str) -> None:
        """Out of the tree; a directory with all that is in it."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return  # a whiteout that could not be made
        except IsADirectoryError:
            handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.chmod(f"/proc/self/fd/{handle}", stat.S_IRWXU)  # to move it is to write into it
            finally:
                os.close(handle)
            self._count += 1
            self._trash = self._trash or self._make_trash()
            os.rename(name, f"{self._trash}/{self._count}", src_dir_fd=folder)

    def remove_folder(self, folder: int, name: str) -> None:
        """A directory in which nothing is left."""
        os.rmdir(name, dir_fd=folder)

    def as_whiteout(self, folder: int, name: str) -> None:
        """The overlay's usual form; where none can be made, the layer's table has to be asked."""
        os.unlink(name, dir_fd=folder)
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=folder)
        except PermissionError:
            self.overlay = False

    def _describe(
        self,
        descriptor: int,
        found: os.stat_result,
        member: Member,
        known: dict[str, bytes],
        *,
        opaque: bool,
        opened: bool = False,
    ) -> None:
        mode = stat.S_IMODE(found.st_mode)
        if (found.st_uid, found.st_gid) != self._owner:
            with contextlib.suppress(PermissionError):  # a group of ours that the directory gave it
                os.fchown(descriptor, *self._owner)
        if known:
            mode = attrs.strip(descriptor, known, mode, opaque=opaque)
        if opened or mode != member.mode & ~_NEVER:
            os.fchmod(descriptor, member.mode & ~_NEVER)
