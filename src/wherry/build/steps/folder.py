"""WORKDIR: a directory that is there."""

from __future__ import annotations

import os

from wherry.base.errors import UsageError
from wherry.build.cache import step_key
from wherry.build.graph import MetaStep
from wherry.build.made import Made
from wherry.build.site import Site
from wherry.build.steps.layer import found_or_made
from wherry.build.who import Ids, ids_of, set_owner
from wherry.image import Tree

__all__ = ["make_folder"]


def make_folder(site: Site, place: int, step: MetaStep, parent: Made) -> Made:
    """Make ``step.directory`` unless it is there, and the directories above it, as its user's (as BuildKit does).

    Raises :class:`UsageError` where a file is in the way.
    """
    below = site.below(parent.layers).view
    there = below.stat(step.directory)
    if there is not None:
        if there.is_dir:
            return parent
        raise UsageError(f"'{step.directory}' is not a directory", why="WORKDIR names what is a file in the image")
    owner = ids_of(step.user, below) if step.user else Ids(0, 0)
    key = step_key(step, parent.diff_ids, (), site.meaning)

    def fill(work: str) -> None:
        os.mkdir(f"{work}/upper", 0o755)
        _fill(f"{work}/upper", below, step.directory, owner)

    return found_or_made(site, place, key, parent, fill)


def _fill(upper: str, below: Tree, directory: str, owner: Ids) -> None:
    from wherry.build.context import folder_in

    for path in folder_in(upper, below, directory):
        set_owner(path, owner, 0o755)
