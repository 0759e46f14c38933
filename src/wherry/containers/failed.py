"""Which kept containers never came to run anything: their command or a bind was mistyped."""

from __future__ import annotations

import os

from wherry.base.errors import WherryError
from wherry.containers import kept
from wherry.containers.kept import Container
from wherry.containers.lookup import is_elsewhere, running_kept
from wherry.containers.world import World

__all__ = ["never_ran"]

_START_FAILED = (125, 126, 127)


def never_ran(world: World, container: Container) -> bool:
    """Whether nothing would be lost with it: its first start failed, and it holds no output and no changed file.

    A command may end with these statuses too; then it has mostly written something, and is kept.
    """
    ended = kept.read_exit(world.containers, container.id)
    if ended is None or ended.exit not in _START_FAILED or running_kept(world, container) is not None:
        return False
    if not container.options.log:  # what it wrote is known to nobody
        return False
    if is_elsewhere(world, container) or _size(f"{world.containers}/{container.id}/log.json") > 0:
        return False
    from wherry.containers.differing import differences

    try:
        return not differences(container.id, world=world)
    except WherryError:
        return False


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
