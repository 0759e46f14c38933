"""``tag``: another name for an image that is held here."""

from __future__ import annotations

from wherry.cli.naming import held_image, is_digits, reference_of, reference_to_name

__all__ = ["tag"]


def tag(source: str, target: str) -> None:
    """Let ``target`` lead to what ``source`` is; the index that it was chosen from is remembered with it."""
    from wherry.base.errors import NotFound
    from wherry.containers import World
    from wherry.store import Name

    world = World()
    image = held_image(world, source)
    name = None
    if not is_digits(source):
        name = world.store.name(reference_of(world, source))
    if name is None or name.digest != image.digest:
        platform = "/".join(part for part in (image.config.os, image.config.architecture, image.config.variant) if part)
        name = Name(image.digest, None, platform)
    if world.store.image_record(name.digest) is None:
        raise NotFound(f"the image '{source}' is not complete here", hint=f"wherry pull {source}")
    world.store.set_name(reference_to_name(world, target), name)
