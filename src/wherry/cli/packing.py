"""``pack``: from what was given to a file."""

from __future__ import annotations

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

__all__ = ["pack"]

_SHOWN = ("table", "json")


def pack(given: Given) -> int:
    """Write the file and print its path."""
    name, path = given.words
    form = given.text("format") or ""
    if given.flag("dry_run"):
        chosen, way = ("", form) if form in _SHOWN else (form, None)
        return foresee(containers.plan_pack(name, path, form=chosen), way)
    if form in _SHOWN:
        raise UsageError(f"'--format {form}' is how --dry-run shows it", hint="--format sif or squashfs")
    world = containers.World()
    with shown(given.flag("quiet")) as progress:
        containers.pack(
            name,
            path,
            form=form,
            compression=given.text("compression") or "",
            block_size=given.text("block_size") or "",
            platform=given.text("platform"),
            world=world,
            progress=progress,
        )
    print(path)
    return 0
