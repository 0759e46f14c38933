"""What a start with ``--fakeroot`` is told of an image's layers: the list of owners, a file in the runtime folder, and
beside it places for devices."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import LaunchError, reason, remedy
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Below
    from wherry.launch import Kept, RunOptions
    from wherry.store import Layer

__all__ = ["devices_folder", "owners_file"]

_KEPT = 24 * 3600
"""Seconds; a plan whose list has gone is made anew, and the list with it."""

_USED_AGAIN = 3600
"""Seconds within which a second use is not written down: saved plans that count on the file are made anew then."""


def owners_file(
    world: World, layers: Sequence[Layer] | Below, options: RunOptions, kept: Kept | None, *, make: bool
) -> str:
    """The path of the list for these layers, written where ``make``; empty where all is root's."""
    from wherry.image import owners_list

    content = owners_list(world.store, layers, _left_before(world, options, kept))
    if not content:
        return ""

    def write(place: str) -> None:
        with open(place, "wb") as file:
            file.write(content)

    return _kept_as(world, hashlib.sha256(content).hexdigest(), write, make=make)


def devices_folder(world: World, layers: Sequence[Layer] | Below, *, make: bool) -> str:
    """A directory to be laid over these layers, with a file at each place where they have a device: the list says
    which. Empty where there is none."""
    from wherry.image import Below, device_places, write_places

    places = device_places(Below.of(world.store, layers))
    if places is None:
        return ""

    def write(place: str) -> None:
        os.mkdir(place, 0o755)
        write_places(place, places)

    digest = hashlib.sha256(msgspec.json.encode((places.files, places.folders)))
    return _kept_as(world, f"{digest.hexdigest()}.devices", write, make=make)


def _kept_as(world: World, name: str, write: Callable[[str], None], *, make: bool) -> str:
    """Where this name is, written if it is not there and ``make``."""
    folder = f"{world.runtime}/owners"
    path = f"{folder}/{name}"
    if make and not _is_used(path):
        new = f"{path}.{os.getpid()}.{threading.get_ident()}"
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            _sweep(folder)
            write(new)
            _place(new, path)
        except OSError as error:
            raise LaunchError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None
    world.outside.stat(path)
    return path


def _is_used(path: str) -> bool:
    """Whether it is there, and stays from now on: a step may show it for hours."""
    with contextlib.suppress(OSError):
        if os.stat(path).st_mtime < time.time() - _USED_AGAIN:
            os.utime(path)
        return True
    return False


def _place(new: str, path: str) -> None:
    try:
        os.rename(new, path)
    except OSError:
        if not os.path.isdir(path):  # else another start was faster
            raise
        shutil.rmtree(new, ignore_errors=True)


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
                if entry.stat(follow_symlinks=False).st_mtime >= old:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
