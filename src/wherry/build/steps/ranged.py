"""A step with a subordinate range: the image's owners are shown to it as they are, and what it leaves is noted as the
layer maker reads it, so that the layer is the one that a supervisor's step gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

# Here, since a child of ours can import nothing where other threads run (wherry.host.as_all_ids).
from wherry.containers import remove_tree, with_all_ids
from wherry.image import claim, shown_owners, write_shown
from wherry.launch import inside_ids, outside_ids

if TYPE_CHECKING:
    from wherry.build.made import Made
    from wherry.build.site import Site
    from wherry.containers import Start

__all__ = ["layer_of_owners", "ranged"]


def layer_of_owners(work: str) -> str:
    """Where :func:`ranged` lays what the image's trees show otherwise than it is."""
    return f"{work}/owned"


@contextmanager
def ranged(site: Site, parent: Made, start: Start, work: str) -> Iterator[None]:
    """The image's owners are there while the block lasts; when it ends, all that lies in ``work`` is the caller's."""
    inside, outside = inside_ids(start.plan), outside_ids(start.plan)
    assert inside is not None and outside is not None
    entries, whole = shown_owners(site.world.store, parent.layers)
    if not whole:
        site.note("the image has so many files of other users that a step with a range sees some of them as root's")
    folder, upper, own = layer_of_owners(work), f"{work}/upper", (os.geteuid(), os.getegid())
    with site.planning:
        shown = with_all_ids(lambda: write_shown(folder, entries, outside))
    try:
        yield
    finally:

        def take() -> None:
            claim(upper, inside, shown, own)
            remove_tree(folder)

        with site.planning:
            with_all_ids(take)
