"""What ``ch-run`` wants to find in a directory, made in one of an image: no link of the image is followed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["make_places"]

_PLACES = ("dev", "proc", "sys", "etc", "tmp", "ch", *(f"mnt/{number}" for number in range(10)))
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_THE_IMAGES = (errno.ENOTDIR, errno.ELOOP, errno.EACCES)
"""What opening says where the image has a link, a file, or a directory that is closed: that stays."""


def make_places(target: str, environment: tuple[str, ...]) -> None:
    """Directories to mount at, and ``/ch/environment`` with a line for each variable, where nothing is there yet."""
    for path in _PLACES:
        with _inside(target, path):
            pass
    with _inside(target, "ch") as folder, contextlib.suppress(FileExistsError):
        if folder is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open("environment", flags, 0o644, dir_fd=folder)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(f"{line}\n" for line in environment))


@contextmanager
def _inside(target: str, path: str) -> Iterator[int | None]:
    """The directory at ``path``, made step by step; None where something of the image's is in the way."""
    with contextlib.ExitStack() as stack:
        folder = os.open(target, _FOLDER)
        stack.callback(os.close, folder)
        for name in path.split("/"):
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=folder)
                folder = os.open(name, _FOLDER, dir_fd=folder)
            except OSError as error:
                if error.errno not in _THE_IMAGES:
                    raise
                yield None
                return
            stack.callback(os.close, folder)
        yield folder
