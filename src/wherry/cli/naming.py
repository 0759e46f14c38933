"""Names of images as they are shown."""

from __future__ import annotations

__all__ = ["familiar"]


def familiar(image: str) -> str:
    """A reference as a person would type it; anything else (a file, a digest) as it is."""
    from wherry.base.errors import InvalidName
    from wherry.base.reference import Reference

    try:
        return Reference.parse(image).familiar
    except InvalidName:
        return image
