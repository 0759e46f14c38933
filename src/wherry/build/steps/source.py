"""FROM: the layers of an image, brought here when they are not."""

from __future__ import annotations

from wherry.build.graph import SourceStep
from wherry.build.made import Event, Made
from wherry.build.site import Site

__all__ = ["begin_with"]


def begin_with(site: Site, place: int, step: SourceStep) -> Made:
    """The image's layers; none for ``scratch``. It was resolved for its configuration already, so it is held here."""
    if step.reference == "scratch":
        return Made()
    from wherry.image import open_image

    image = open_image(site.world.store, step.digest)
    site.cache.keep(tuple(layer.key for layer in image.layers))
    site.report(Event("cached", place, size=sum(layer.meta.size for layer in image.layers)))
    return Made(image.layers, cached=True)
