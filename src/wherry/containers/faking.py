"""The list of owners in an image's layers, for a start with ``--fakeroot``: a file in the runtime folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.base.errors import LaunchError, reason, remedy
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Below
    from wherry.launch import Kept, RunOptions
    from wherry.store import Layer

__all__ = ["owners_file"]

_KEPT = 24 * 3600
"""Seconds; a plan whose list has gone is made anew, and the list with it."""


def owners_file(
    world: World, layers: Sequence[Layer] | Below, options: RunOptions, kept: Kept | None, *, make: bool
) -> str:
    """The path of the list for these layers, written where ``make``; empty where all is root's."""
    from wherry.image import owners_list

    content = owners_list(world.store, layers, _left_before(world, options, kept))
    if not content:
        return ""
    folder = f"{world.runtime}/owners"
    path = f"{folder}/{hashlib.sha256(content).hexdigest()}"
    if make and not os.path.exists(path):
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            _sweep(folder)
            new = f"{path}.{os.getpid()}.{threading.get_ident()}"
            with open(new, "wb") as file:
                file.write(content)
            os.rename(new, path)
        except OSError as error:
            raise LaunchError(f"cannot write '{path}'", why=reason(error), hint=remedy(error)) from None
    world.outside.stat(path)
    return path


def _left_before(world: World, options: RunOptions, kept: Kept | None) -> str:
    """The file ``owners`` that an earlier start left beside the same upper directory; empty where there is none."""
    places = [options.upper] if options.upper else []
    if kept is not None and not places:
        places = [f"{parent}/{kept.id}" for parent in kept.scratch or world.scratch]
    return next((path for place in places if os.path.exists(path := f"{place}/owners")), "")


def _sweep(folder: str) -> None:
    old = time.time() - _KEPT
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < old:
                    os.unlink(entry.path)
