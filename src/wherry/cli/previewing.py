"""``pull --dry-run``: which layers would come, which are here, and how much room they take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from wherry.cli import listing

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.image import PullPreview

__all__ = ["show_pulls"]


def show_pulls(
    world: World, references: list[Reference], platform: str | None, auth_file: str, form: str | None
) -> int:
    """Print a row a layer; below each table what comes over the network and what it takes in the store."""
    from wherry.containers import chosen_auth_file
    from wherry.image import preview_pull
    from wherry.registry import connect

    auth_file = chosen_auth_file(world, auth_file)
    with connect(world.settings, world.outside, auth_file=auth_file) as registry:
        for reference in references:
            found = preview_pull(world.store, registry, reference, platform=platform)
            rows = [_row(reference, found, *layer) for layer in found.layers]
            listing.show(rows, (("LAYER", "ID"), ("SIZE", "Size"), ("STATE", "State")), form)
            if form in (None, "table"):
                size, room = listing.bytes_for_people(found.download), listing.bytes_for_people(found.space)
                print(
                    f"{reference.familiar}@{found.digest}: {size} to fetch, about {room} to store{_free(world, found)}"
                )
    return 0


def _free(world: World, found: PullPreview) -> str:
    """How much room there is, where that can be told."""
    from wherry.store import measure

    place = world.store.path
    while not os.path.exists(place):
        place = os.path.dirname(place)
    try:
        free = measure(place).free
    except OSError:
        return ""
    short = ": too little, the pull would be refused" if free < found.space else ""
    return f", {listing.bytes_for_people(free)} free there{short}"


def _row(reference: Reference, found: PullPreview, digest: Any, size: int, held: bool) -> dict[str, Any]:
    return {
        "ID": digest.short,
        "Digest": str(digest),
        "Size": listing.bytes_for_people(size),
        "Bytes": size,
        "State": "here" if held else "to fetch",
        "Image": reference.familiar,
        "ImageDigest": str(found.digest),
    }
