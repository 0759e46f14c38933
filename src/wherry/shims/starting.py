"""A start under a peer's name: planned like Wherry's own, and saved under the words that the peer's user typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.launch.options import RunOptions

__all__ = ["start"]


def start(face: str, prefix: tuple[str, ...], options: RunOptions, world: World, *, quiet: bool = False) -> NoReturn:
    """Become the container. ``prefix`` are all words up to and including the image, by which the front finds the plan
    again; empty: no plan is saved."""
    from wherry import containers
    from wherry.cli.moving import shown

    asks_always = (options.pull or world.settings.text("run.pull")) == "always"  # so a saved plan may not answer
    with shown(quiet) as progress:
        saved = (face, *prefix) if prefix and not asks_always else None
        prepared = containers.prepare(options, world=world, prefix=saved, progress=progress)
    prepared.execute()
