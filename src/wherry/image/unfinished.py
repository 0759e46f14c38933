"""A layer's tree while it is completed: its directories are opened name by name, and no symbolic link is followed.

What the unpacker reported of a path need not hold at the end of the archive, which may have put a symbolic link in a
directory's place. So the kernel never gets a path of several names here.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

import msgspec

__all__ = ["Unfinished", "is_folder", "is_whiteout"]

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = "user.overlay.opaque"


class _Facts(msgspec.Struct, frozen=True):
    mode: int
    mtime_ns: int


class Unfinished:
    """Paths are relative to the tree, the empty one is its root. Used as a context: at its end the directories that
    were opened get back the mode and time that they had, or that :meth:`describe` gave them.
    """

    def __init__(self, tree: str) -> None:
        self._root = os.open(tree, _FLAGS)
        self._facts: dict[str, _Facts] = {}

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            os.close(self._root)

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A directory's descriptor. :class:`NotADirectoryError`, :class:`FileNotFoundError` where there is none."""
        descriptor = os.dup(self._root)
        try:
            self._allow(descriptor, "")
            inside = ""
            for name in path.split("/") if path else ():
                inside = f"{inside}/{name}".lstrip("/")
                below = self._enter(descriptor, name, inside)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def has(self, path: str) -> bool:
        """Whether ``path`` is a directory, and no symbolic link is on its way."""
        try:
            with self.folder(path):
                return True
        except (NotADirectoryError, FileNotFoundError):
            return False

    def make(self, path: str) -> bool:
        """Make a directory in one that is there; False when something has that name."""
        folder, _, name = path.rpartition("/")
        with self.folder(folder) as descriptor:
            try:
                os.mkdir(name, 0o755, dir_fd=descriptor)
            except FileExistsError:
                return False
        return True

    def move(self, path: str, to: str) -> None:
        """Give something another place, which is free."""
        with self.folder(path.rpartition("/")[0]) as source, self.folder(to.rpartition("/")[0]) as target:
            name, new = path.rpartition("/")[2], to.rpartition("/")[2]
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                with self.folder(path):  # to move a directory is to write to it: its '..' changes
                    self._facts[to] = self._facts.pop(path)
            os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)

    def remove(self, path: str) -> None:
        """Remove a directory with all in it."""
        pending, folders = [path], []
        while pending:
            folder = pending.pop()
            folders.append(folder)
            with self.folder(folder) as descriptor:
                for name in os.listdir(descriptor):
                    if is_folder(os.stat(name, dir_fd=descriptor, follow_symlinks=False)):
                        pending.append(f"{folder}/{name}")
                    else:
                        os.unlink(name, dir_fd=descriptor)
        for folder in reversed(folders):
            parent, _, name = folder.rpartition("/")
            with self.folder(parent) as descriptor:
                os.rmdir(name, dir_fd=descriptor)
            self._facts.pop(folder, None)

    def describe(self, path: str, mode: int, mtime_ns: int, xattrs: dict[str, bytes]) -> None:
        """Give a directory these attributes; its mode and time when all is done."""
        with self.folder(path) as descriptor, contextlib.suppress(OSError):  # a file system without attributes
            for name, value in xattrs.items():
                os.setxattr(descriptor, name, value)
        self._facts[path] = _Facts(mode, mtime_ns)

    def make_opaque(self, path: str) -> None:
        """Let a directory hide what lower layers have in it."""
        with self.folder(path) as descriptor:
            os.setxattr(descriptor, _OPAQUE, b"y")

    def is_opaque(self, path: str) -> bool:
        with self.folder(path) as descriptor:
            return _OPAQUE in os.listxattr(descriptor)

    def _enter(self, parent: int, name: str, path: str) -> int:
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=parent)
        except PermissionError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not is_folder(found):
                raise
            self._facts.setdefault(path, _Facts(stat.S_IMODE(found.st_mode), found.st_mtime_ns))
            os.chmod(name, 0o700, dir_fd=parent)  # follows links, but it was just seen to be none
            descriptor = os.open(name, _FLAGS, dir_fd=parent)
        self._allow(descriptor, path)
        return descriptor

    def _allow(self, descriptor: int, path: str) -> None:
        """Note what the directory was like, and let its owner do all with it."""
        if path in self._facts:
            return
        found = os.fstat(descriptor)
        self._facts[path] = _Facts(stat.S_IMODE(found.st_mode), found.st_mtime_ns)
        if found.st_mode & 0o700 != 0o700:
            os.fchmod(descriptor, 0o700)

    def _finish(self) -> None:
        for path in sorted(self._facts, key=lambda path: path.count("/") if path else -1, reverse=True):
            facts = self._facts[path]
            with self.folder(path) as descriptor:
                os.fchmod(descriptor, facts.mode)
                os.utime(descriptor, ns=(facts.mtime_ns, facts.mtime_ns))


def is_folder(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode)


def is_whiteout(found: os.stat_result) -> bool:
    """Whether it is the overlay's mark for something removed."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
