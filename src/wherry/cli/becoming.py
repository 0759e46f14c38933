"""The start of a container by any command line: planned, saved under the words that were typed, and become."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.launch.options import RunOptions

__all__ = ["become"]


def become(options: RunOptions, world: World, prefix: tuple[str, ...] = (), *, quiet: bool = False) -> NoReturn:
    """Become the container. ``prefix`` is the face and all words up to and including the image, by which the front
    finds the plan again; empty: no plan is saved."""
    from wherry import containers
    from wherry.cli.moving import shown

    asks_always = (options.pull or world.settings.text("run.pull")) == "always"  # so a saved plan may not answer
    saved = prefix if prefix and not asks_always else None
    with shown(quiet) as progress:
        prepared = containers.prepare(options, world=world, prefix=saved, progress=progress)
    prepared.execute()
