"""A start for somebody who put the image together himself: a build's step. Nothing of it is saved or leased."""

from __future__ import annotations

import msgspec

from wherry.containers.starting import Start, plan_step
from wherry.containers.world import World
from wherry.image import Image
from wherry.launch import RunOptions, write_files

__all__ = ["prepare_step"]


def prepare_step(world: World, options: RunOptions, image: Image) -> Start:
    """Everything up to the launcher; what the plan has to say is left to the caller.

    ``image``'s layers must stay until the start has ended: who calls holds them. Raises what planning raises.
    """
    plan = msgspec.structs.replace(plan_step(world, options, image), reusable=False)
    write_files(plan)
    return Start(plan, options.command)
