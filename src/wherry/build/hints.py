"""Small answers that cost something to get again, in ``contents/`` of the store: what is damaged, foreign or missing
there says nothing, and what cannot be written is asked for again."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TypeVar

import msgspec

from wherry.base.digest import Digest

__all__ = ["forget", "keep", "recall"]

_MOST = 1000

_Kind = TypeVar("_Kind")


def recall(store: str, folder: str, key: Digest, kind: type[_Kind]) -> _Kind | None:
    """What was kept, None where there is nothing of this kind. ``store`` is the store's own folder."""
    try:
        with open(_path(store, folder, key), "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def keep(store: str, folder: str, key: Digest, value: object) -> bool:
    """Keep it, and of all in this folder the youngest thousand. Others may do so at once: the last wins."""
    path = _path(store, folder, key)
    work = f"{path}.{os.getpid()}.{threading.get_ident()}"
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(work, "wb") as file:
            file.write(msgspec.json.encode(value))
        os.replace(work, path)
    except (OSError, UnicodeError):  # a variable that is no text
        with contextlib.suppress(OSError):
            os.unlink(work)
        return False
    with contextlib.suppress(OSError):
        entries = sorted(os.scandir(os.path.dirname(path)), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-_MOST]:
            os.unlink(entry.path)
    return True


def forget(store: str, folder: str, key: Digest) -> None:
    with contextlib.suppress(OSError):
        os.unlink(_path(store, folder, key))


def _path(store: str, folder: str, key: Digest) -> str:
    return f"{store}/contents/{folder}/{key.hex}"
