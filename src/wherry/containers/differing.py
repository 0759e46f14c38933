"""``diff`` of a container: what was changed in its writable layer, without the mount points that Wherry made there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from wherry.containers.copied import changes_of_copy, copy_of
from wherry.containers.lookup import kept_named
from wherry.containers.ranged import is_ranged, with_all_ids
from wherry.containers.resolving import image_of
from wherry.containers.starting import plan_kept
from wherry.containers.upper import upper_of
from wherry.containers.world import World
from wherry.launch import SCRATCH, LaunchPlan, wrapped_of

if TYPE_CHECKING:
    from wherry.containers.kept import Container
    from wherry.image import Change

__all__ = ["differences", "made_by_start"]


def differences(name: str, *, world: World | None = None) -> list[Change]:
    """Paths added (``A``), changed (``C``) and deleted (``D``) in a kept container, sorted.

    Raises :class:`NotFound`, also when its image is gone, and :class:`Conflict` for a container that is not kept.
    """
    world = world or World()
    container = kept_named(world, name)
    if is_ranged(container):
        return with_all_ids(lambda: _differences(world, container))
    return _differences(world, container)


def _differences(world: World, container: Container) -> list[Change]:
    from wherry.image import changes_of_folder

    upper = upper_of(world, container)
    image = image_of(world, container)
    found = list(changes_of_folder(image, upper) if upper else changes_of_copy(world, container, image))
    upper = upper or copy_of(world, container)
    ours = made_by_start(world, container) if found else frozenset()
    kept = [change for change in found if not (change.path in ours and _is_bare(f"{upper}{change.path}"))]
    return sorted(_without_husks(found, kept), key=lambda change: change.path)


def made_by_start(world: World, container: Container) -> frozenset[str]:
    """The paths that a start makes in the writable layer: mount points, links, the private home, and their parents."""
    options = msgspec.structs.replace(container.options, cidfile=None)
    try:
        plan = plan_kept(world, container, options)
    except OSError:
        return frozenset()
    paths = set()
    for path in _targets(plan):
        while path not in ("", "/"):
            paths.add(path)
            path = os.path.dirname(path)
    return frozenset(paths)


def _targets(plan: LaunchPlan) -> list[str]:
    found = []
    for operation in plan.operations:
        place = {"BIND": 1, "MOUNT": 4, "SYMLINK": 1, "DIRECTORY": 0}.get(operation.kind)
        if place is not None:
            found.append(str(operation.fields[place]))
        elif operation.kind == "MKDIR" and str(operation.fields[0]).startswith(f"{SCRATCH}/upper/"):
            found.append(str(operation.fields[0]).removeprefix(f"{SCRATCH}/upper"))
    wrapped = wrapped_of(plan)
    return found + [target for _, target in wrapped.shown] if wrapped is not None else found


def _is_bare(real: str) -> bool:
    """Whether it is as a start made it: an empty file or a directory (what is in it is looked at by itself)."""
    try:
        found = os.lstat(real)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode) or found.st_size == 0


def _without_husks(found: list[Change], kept: list[Change]) -> list[Change]:
    """Directories of ours in which the container changed something count as changed after all."""
    paths = {change.path for change in kept}
    parents = set()
    for path in paths:
        while path not in ("", "/"):
            path = os.path.dirname(path)
            parents.add(path)
    return kept + [change for change in found if change.path in parents and change.path not in paths]
