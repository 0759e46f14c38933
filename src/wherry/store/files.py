"""Which image came of a file: ``files/KEY`` holds its digest, and what it is called. KEY says which bytes were read.

Hints, so that a file that was taken in once is not read again: written without a sync; one that leads to an image that
is gone says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.store.durable import read_small, unlink_all, write_file

__all__ = ["forget", "recall", "remember"]


def recall(root: str, key: Digest) -> tuple[Digest, str] | None:
    """The image that came of the file ``key``, and what it is called."""
    try:
        image, _, shown = (read_small(_path(root, key.hex)) or b"").decode().partition("\n")
        return Digest.parse(image), shown
    except (OSError, UnicodeDecodeError, InvalidName):
        return None


def remember(root: str, key: Digest, image: Digest, shown: str) -> None:
    """Note it; a store that cannot be written stays as it is."""
    try:
        content = f"{image}\n{shown}".encode("utf-8", "surrogateescape")
        write_file(root, _path(root, key.hex), content, sync=False)
    except OSError:
        return


def forget(root: str, is_there: Callable[[Digest], bool]) -> None:
    """Remove what leads to images that are gone."""
    try:
        names = os.listdir(f"{root}/files")
    except (FileNotFoundError, NotADirectoryError):
        return
    found = {name: recall(root, Digest("sha256", name)) for name in names}
    unlink_all(_path(root, name) for name, image in found.items() if image is None or not is_there(image[0]))


def _path(root: str, name: str) -> str:
    return f"{root}/files/{name}"
