"""``export``: from what was given to a bundle on the disk."""

from __future__ import annotations

import os

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given
from wherry.cli.moving import shown
from wherry.cli.start import run_options

__all__ = ["export"]


def export(given: Given) -> int:
    """Write the bundle and print its directory."""
    folder = given.text("bundle")
    if folder is None:
        raise UsageError(
            "nothing says what to export to",
            why="a container's files as an archive are not exported yet",
            hint=f"wherry export --bundle DIR {given.word}; 'wherry cp CONTAINER:/ DIRECTORY'; 'wherry save'",
        )
    world = containers.World(make_store=not given.flag("dry_run"))
    options = run_options(given, world.outside)
    place = os.path.abspath(folder)
    if given.flag("dry_run"):
        return foresee(containers.plan_export(options, place), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        containers.export_bundle(options, place, world=world, progress=progress)
    print(place)
    return 0
