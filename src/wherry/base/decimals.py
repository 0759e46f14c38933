"""Numbers in text that others wrote: ids in an image's passwd, lengths in a registry's answer, settings."""

from __future__ import annotations

__all__ = ["decimal"]

_LONGEST = 1000


def decimal(text: str) -> int | None:
    """The number that ``text`` is in ASCII digits alone; None for all else, and beyond 1000 digits.

    ``str.isdigit`` also takes digits that ``int`` refuses (``²``) or takes (``٣``), and ``int`` refuses 4300 digits.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else None
