"""Images that a recipe names, found before it is translated: their configurations are part of what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound
from wherry.build.translate import Base

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.containers import World

__all__ = ["base_of"]

_TRANSPORTS = {"docker-image://": "", "oci-layout://": "oci:"}


def base_of(
    world: World, image: tuple[str, str], *, pull: str | None, progress: Progress | None, dry_run: bool = False
) -> Base:
    """The configuration of (reference, platform), pulled when it is not held.

    Raises what resolving raises; in a dry run :class:`NotFound` where it would have to be pulled.
    """
    from wherry.containers import MissingImage, held_name, resolve

    reference, platform = image
    for prefix, transport in _TRANSPORTS.items():
        if reference.startswith(prefix):
            reference = transport + reference.removeprefix(prefix)
    if pull != "always":
        reference = held_name(world, reference)
    found = resolve(world, reference, pull=pull, platform=_asked(platform), progress=progress, dry_run=dry_run)
    if isinstance(found, MissingImage):
        raise NotFound(
            f"the image '{reference}' is not held here",
            why="what would be built depends on its configuration",
            hint=f"wherry pull {reference}",
        )
    data = world.store.read_blob(found.image.manifest.config.digest)
    return Base(msgspec.json.decode(data), str(found.image.digest))


def _asked(platform: str) -> str | None:
    """None for this machine's own: an image that names no platform, or another variant of it, is taken as it is."""
    from wherry.image import Platform, here

    own = here()
    wanted = Platform.parse(platform)
    return None if (wanted.os, wanted.architecture) == (own.os, own.architecture) else platform
