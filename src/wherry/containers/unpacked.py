"""Images that a site has unpacked already, as on ``/cvmfs/unpacked.cern.ch``: ``ROOT/REGISTRY/NAME:TAG`` is a folder.

They are looked for before a pull and used where they lie: nothing is copied or changed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers.world import World
    from wherry.image import Image

__all__ = ["open_unpacked", "places"]

_HUB = ("docker.io", "registry.hub.docker.com")
"""What the Docker Hub is called there."""


def places(root: str, reference: Reference) -> tuple[str, ...]:
    """Where below ``root`` the image may lie; nowhere for a digest, which no folder vouches for."""
    if reference.digest is not None or not reference.tag:
        return ()
    hosts = _HUB if reference.registry == DEFAULT_REGISTRY else (reference.registry,)
    return tuple(f"{root.rstrip('/')}/{host}/{reference.repository}:{reference.tag}" for host in hosts)


def open_unpacked(world: World, reference: Reference) -> Image | None:
    """The image in the first of the setting ``run.unpacked`` that has it; None when none has."""
    for root in world.settings.items("run.unpacked"):
        if not root.startswith("/") or not os.path.isdir(root):
            continue
        for place in places(root, reference):
            if world.outside.stat(place).exists:
                from wherry.image import is_unpacked, open_directory

                if is_unpacked(place):
                    for path in world.store.name_paths(reference):
                        world.outside.stat(path)  # once it is pulled, that is what the name means
                    return open_directory(place)
    return None
