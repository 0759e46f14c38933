"""A start for somebody who put the image together himself: a build's step. Nothing of it is saved or leased."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.containers.starting import Start, plan_step
from wherry.containers.world import World
from wherry.launch import Operation, RunOptions, write_files

if TYPE_CHECKING:
    from wherry.image import Below, Image

__all__ = ["prepare_step"]


def prepare_step(world: World, options: RunOptions, image: Image, below: Below) -> Start:
    """Everything up to the launcher; what the plan has to say is left to the caller. ``below`` is the view of the
    image's layers.

    ``image``'s layers must stay until the start has ended: who calls holds them, and begins the start himself, from the
    thread that waits for it: when this ends, or the process is killed, the start ends too. Raises what planning raises.
    """
    plan = plan_step(world, options, image, below)
    parent = Operation("PARENT", (os.getpid(),))
    plan = msgspec.structs.replace(plan, operations=(parent, *plan.operations), reusable=False)
    write_files(plan)
    return Start(plan, options.command)
