"""A kept container's next start with other options than it was made with, as udocker's users know it.

What stays are its files; each run says its own binds, variables and command.

Several runs at once are usual there (a job array). Only one can write the container's layer: an overlay's upper
directory belongs to one mount. The first takes a lock on it, which its launcher holds as long as it lives; those beside
it see the container's files as a further layer below one of their own, which goes when they end. Each says so.
"""

from __future__ import annotations

import fcntl
import os

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Conflict, HostLacks
from wherry.containers.kept import Container
from wherry.containers.lookup import is_elsewhere, kept_named, out_of_reach
from wherry.containers.resolving import image_of
from wherry.containers.running import running_folder
from wherry.containers.starting import Start, completed, prepare_beside, start_kept
from wherry.containers.sweeping import mark_passing, sweep
from wherry.containers.upper import upper_of
from wherry.containers.world import World
from wherry.image import Image
from wherry.launch import RunOptions
from wherry.store import MERGED, Layer, LayerMeta

__all__ = ["prepare_again"]

_UNMEASURED = Digest("sha256", "0" * 64)


def prepare_again(name: str, options: RunOptions, *, world: World | None = None, prefix: tuple[str, ...] = ()) -> Start:
    """Everything up to the launcher. Of the container's own options only name, labels and image hold on.

    The plan is saved under ``prefix``, unless the container goes when it ends.

    Raises :class:`NotFound`, also when its image is gone, and what planning raises.
    """
    world = world or World()
    container = kept_named(world, name)
    image = image_of(world, container)
    own = container.options
    options = msgspec.structs.replace(options, image=own.image, name=own.name, labels=own.labels, detach=False)
    options = completed(world, options)
    sweep(world)
    lock = f"{world.kept_parents[0]}/{container.id}/writer"
    if not _take(lock):
        return _beside(world, container, options, image)
    if is_elsewhere(world, container) and world.kept_parents == (world.containers,):
        raise out_of_reach(world, container)  # elsewhere each node has a writable layer of its own
    if options.remove:
        mark_passing(world.containers, container.id)
        prefix = ()
    container = msgspec.structs.replace(container, options=options)
    watched = _watched(world, container, image) if prefix else ()
    return start_kept(world, container, options, image, prefix=prefix, watched=watched, lock=lock)


def _watched(world: World, container: Container, image: Image) -> tuple[str, ...]:
    """What tells that another start must be planned: the container (its names too), whether it runs, its image."""
    blob = world.store.blob_path(image.digest)
    return (
        f"{world.containers}/{container.id}/container.json",
        f"{running_folder(world.runtime)}/{container.id}",
        *([blob] if blob is not None else []),
    )


def _take(lock: str) -> bool:
    """Whether this process may write the container's layer, and those after it that inherit the descriptor."""
    os.makedirs(os.path.dirname(lock), 0o700, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.set_inheritable(descriptor, True)
    return True


def _beside(world: World, container: Container, options: RunOptions, image: Image) -> Start:
    shown = container.name or container.id[:12]
    if not world.host.overlay or len(image.layers) >= MERGED:
        why = "there is no overlayfs for users here" if not world.host.overlay else "its image has too many layers"
        raise HostLacks(f"container '{shown}' runs, and cannot be run a second time now", why=why, hint="wait for it")
    if options.remove:
        raise Conflict(f"container '{shown}' runs, so it cannot go when this run ends", hint="leave out --rm")
    upper = upper_of(world, container)
    if upper:
        meta = LayerMeta(_UNMEASURED, 0, 0, 0, overlay=True, rebuildable=False)
        image = msgspec.structs.replace(image, layers=(*image.layers, Layer("", upper, "", meta)))
    note = f"container '{shown}' runs already: what this run writes in it, outside its volumes, goes when it ends"
    return prepare_beside(world, msgspec.structs.replace(options, name=None), image, note)
