"""``diff``: the paths that differ, as rows."""

from __future__ import annotations

from typing import Any

from wherry.base.errors import NotFound

__all__ = ["difference_rows"]


def difference_rows(words: tuple[str, ...]) -> list[dict[str, Any]]:
    """Changes of a container against its image, or of the second image against the first; sorted by path."""
    from wherry import containers

    if len(words) == 1:
        try:
            return _rows(containers.differences(words[0]))
        except NotFound as error:
            hint = f"two images are compared as: wherry diff {words[0]} OTHER-IMAGE"
            raise NotFound(error.what, why=error.why, hint=error.hint or hint) from None
    from wherry.containers import held_image
    from wherry.image import changes

    world = containers.World()
    return _rows(changes(held_image(world, words[0]), held_image(world, words[1])))


def _rows(found: Any) -> list[dict[str, Any]]:
    return [{"Kind": change.kind, "Path": change.path} for change in found]
