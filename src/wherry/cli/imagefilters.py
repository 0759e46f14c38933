"""``images --filter``: what images can be chosen by, with Docker's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.store import ImageRecord, Store

__all__ = ["read_filter", "tester"]

_HINT = "dangling=true, dangling=false, reference=PATTERN, label=NAME or label=NAME=VALUE, before=IMAGE, since=IMAGE"


def read_filter(text: str) -> tuple[str, str]:
    """Key and value. Raise :class:`UsageError` for a key that is not known."""
    key, _, value = text.partition("=")
    known = ("reference", "label", "before", "since")
    if (key in known and value) or (key == "dangling" and value in ("true", "false", "1", "0")):
        return key, {"1": "true", "0": "false"}.get(value, value) if key == "dangling" else value
    raise UsageError(f"'--filter {text}' is not understood", hint=_HINT)


def tester(store: Store, filters: list[tuple[str, str]]) -> Callable[[ImageRecord | None], bool]:
    """Whether an image fits all filters but those of names. Raise :class:`NotFound` for an image that is not held."""
    from wherry.image import open_by_digest, open_image

    labels = [value.partition("=") for key, value in filters if key == "label"]
    before = [open_image(store, value).config.created for key, value in filters if key == "before"]
    since = [open_image(store, value).config.created for key, value in filters if key == "since"]

    def fits(record: ImageRecord | None) -> bool:
        if record is None:
            return not (labels or before or since)
        if not all(record.created < other for other in before) or not all(record.created > other for other in since):
            return False
        if not labels:
            return True
        found = open_by_digest(store, record.digest).config.config.labels
        return all(name in found and (not equals or found[name] == value) for name, equals, value in labels)

    return fits
