"""What is remembered of a file behind a URL, so that one request tells whether it is still the same (RFC 9110, 8.8).

Only validators count that change with every byte: a strong entity tag, else a date of the last change that was a minute
past when it was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import WherryError
from wherry.build.hints import forget, keep, recall
from wherry.registry import Held

__all__ = ["remember", "remembered", "seconds_of"]

_FOLDER = "urls"
_SETTLED = 60


class _Note(msgspec.Struct, frozen=True):
    digest: str
    tag: str = ""
    modified: str = ""


def remembered(folder: str, url: str) -> Held | None:
    """``folder`` is that of the store; empty: nothing is known."""
    note = recall(folder, _FOLDER, _key(url), _Note) if folder else None
    try:
        return Held(Digest.parse(note.digest), note.tag, note.modified) if note is not None else None
    except WherryError:
        return None


def remember(folder: str, url: str, digest: Digest, headers: Mapping[str, str]) -> None:
    """Keep what the answer says, or forget what was known where it says nothing. Never fails."""
    tag, modified = _validators(headers)
    if folder and (tag or modified):
        keep(folder, _FOLDER, _key(url), _Note(str(digest), tag, modified))
    elif folder:
        forget(folder, _FOLDER, _key(url))


def seconds_of(date: str) -> int | None:
    """Of a header's date, None for what is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _validators(headers: Mapping[str, str]) -> tuple[str, str]:
    """Entity tag and date, at most one of them."""
    tag = headers.get("etag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 and tag.isascii() and tag.isprintable():
        return tag, ""
    modified, told = headers.get("last-modified", ""), headers.get("date", "")
    changed, when = seconds_of(modified), seconds_of(told)
    if changed is None or when is None or when - changed < _SETTLED:
        return "", ""
    return "", modified


def _key(url: str) -> Digest:
    return Digest.of(url.encode("utf-8", "surrogateescape"))
