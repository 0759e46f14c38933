"""What is remembered of a file behind a URL, so that one request tells whether it is still the same (RFC 9110, 8.8).

A hint in ``contents/urls`` of the store: what is damaged, foreign or missing says nothing. Only validators count that
change with every byte: a strong entity tag, else a date of the last change that was a minute past when it was told.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import WherryError
from wherry.registry import Held

__all__ = ["remember", "remembered", "seconds_of"]

_SETTLED = 60
_MOST = 1000


class _Note(msgspec.Struct, frozen=True):
    digest: str
    condition: tuple[str, str]


def remembered(folder: str, url: str) -> Held | None:
    """``folder`` is that of the store; empty: nothing is known."""
    if not folder:
        return None
    try:
        with open(_path(folder, url), "rb") as file:
            note = msgspec.json.decode(file.read(), type=_Note)
        return Held(Digest.parse(note.digest), note.condition)
    except (OSError, msgspec.MsgspecError, WherryError):
        return None


def remember(folder: str, url: str, digest: Digest, headers: Mapping[str, str]) -> None:
    """Keep what the answer says, or forget what was known where it says nothing. Never fails."""
    condition = _condition(headers)
    if not folder:
        return
    path = _path(folder, url)
    work = f"{path}.{os.getpid()}.{threading.get_ident()}"
    with contextlib.suppress(OSError):
        if condition is None:
            os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(work, "wb") as file:
            file.write(msgspec.json.encode(_Note(str(digest), condition)))
        os.replace(work, path)
        old = sorted(os.scandir(os.path.dirname(path)), key=lambda entry: entry.stat().st_mtime)
        for entry in old[:-_MOST]:
            os.unlink(entry.path)


def seconds_of(date: str) -> int | None:
    """Of a header's date, None for what is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _condition(headers: Mapping[str, str]) -> tuple[str, str] | None:
    tag = headers.get("etag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 and tag.isascii() and tag.isprintable():
        return "If-None-Match", tag
    modified, told = headers.get("last-modified", ""), headers.get("date", "")
    changed, when = seconds_of(modified), seconds_of(told)
    if changed is None or when is None or when - changed < _SETTLED:
        return None
    return "If-Modified-Since", modified


def _path(folder: str, url: str) -> str:
    return f"{folder}/contents/urls/{Digest.of(url.encode('utf-8', 'surrogateescape')).hex}"

