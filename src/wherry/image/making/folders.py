"""Directories that are gone through depth first, below descriptors: no symbolic link is followed, and neither depth nor
the number of descriptors is a limit. Of a running container the next name may be a link by the time it is opened."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from wherry.base.errors import ImageError

__all__ = ["Folder", "Folders", "granted", "open_file", "replaced"]

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN = 128
"""Directories that are kept open, the deepest; others are opened again when their turn comes."""


class Folder:
    """A directory on the way down. ``names`` are those that are still to come, the last first; ``opened``: it has more
    permissions for the time than ``status`` says."""

    def __init__(self, parent: Folder | None, name: str, path: str) -> None:
        self.parent = parent
        self.name = name
        self.path = path
        self.descriptor = -1
        self.opened = False
        self.names: list[str] = []
        self.status: os.stat_result

    def inside(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


class Folders:
    """The way from the top to where one is. Directories in which their owner has not the permissions ``need`` are
    opened up for as long as one is in them."""

    def __init__(self, top: str, need: int) -> None:
        self._need = need
        root = Folder(None, top, "")
        root.descriptor = os.open(top, _FLAGS)
        self._begin(root)
        self.way = [root]

    @property
    def here(self) -> Folder:
        return self.way[-1]

    @property
    def descriptor(self) -> int:
        """That of the directory where one is, good until one goes on."""
        return self._opened(self.way[-1])

    def enter(self, name: str) -> Folder:
        """Go into a directory of the one where one is."""
        here = self.here
        child = Folder(here, name, here.inside(name))
        self._open(child)
        self._begin(child)
        self.way.append(child)
        if len(self.way) > _OPEN + 1:
            self._shut(self.way[-1 - _OPEN])
        return child

    def leave(self) -> None:
        """Go up."""
        folder = self.way.pop()
        if folder.opened:
            os.fchmod(self._opened(folder), stat.S_IMODE(folder.status.st_mode))
        self._shut(folder)

    def close(self) -> None:
        while self.way:
            try:
                self.leave()
            except (OSError, ImageError):
                continue  # there is an error on its way already

    def _begin(self, folder: Folder) -> None:
        if not folder.opened:
            folder.status = os.fstat(folder.descriptor)
        mode = stat.S_IMODE(folder.status.st_mode)
        if mode & self._need != self._need:
            os.fchmod(folder.descriptor, mode | self._need)
            folder.opened = True
        folder.names = sorted(os.listdir(folder.descriptor), reverse=True)

    def _opened(self, folder: Folder) -> int:
        missing = []
        while folder.descriptor < 0:
            missing.append(folder)
            assert folder.parent is not None
            folder = folder.parent
        down = missing[::-1]
        for position, each in enumerate(down):
            self._open(each)
            if not os.path.samestat(os.fstat(each.descriptor), each.status):
                raise replaced(each.path)
            if position >= _OPEN // 2:  # the nearest stay open, for the way up
                self._shut(down[position - _OPEN // 2])
        return (missing or [folder])[0].descriptor

    def _open(self, folder: Folder) -> None:
        assert folder.parent is not None
        above = self._opened(folder.parent)
        try:
            try:
                folder.descriptor = os.open(folder.name, _FLAGS, dir_fd=above)
            except PermissionError:
                with granted(above, folder.name, stat.S_IRWXU) as status:
                    folder.status, folder.opened = status, True
                    folder.descriptor = os.open(folder.name, _FLAGS, dir_fd=above)
                os.fchmod(folder.descriptor, stat.S_IMODE(status.st_mode) | self._need)
        except (FileNotFoundError, NotADirectoryError):
            raise replaced(folder.path) from None

    def _shut(self, folder: Folder) -> None:
        if folder.descriptor >= 0:
            os.close(folder.descriptor)
            folder.descriptor = -1


def open_file(folder: int, name: str, path: str) -> tuple[int, os.stat_result]:
    """A regular file for reading, and what it was before; also one that its owner may not read."""
    try:
        try:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        except PermissionError:
            with granted(folder, name, stat.S_IRUSR) as status:
                return os.open(name, _FILE, dir_fd=folder), status
        return descriptor, os.fstat(descriptor)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno in (errno.ELOOP, errno.ENXIO):
            raise replaced(path) from None
        raise


@contextlib.contextmanager
def granted(folder: int, name: str, bits: int) -> Iterator[os.stat_result]:
    """Our own ``name`` with further permissions while the block lasts; what it was before."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(handle)
        if stat.S_ISLNK(status.st_mode):
            raise NotADirectoryError
        os.chmod(f"/proc/self/fd/{handle}", stat.S_IMODE(status.st_mode) | bits)
        try:
            yield status
        finally:
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IMODE(status.st_mode))
    finally:
        os.close(handle)


def replaced(path: str) -> ImageError:
    return ImageError(f"'{path}' was replaced while it was read", hint="again, when nothing writes there")
