"""``clone``: a kept container's image and changed files once more, under another id."""

from __future__ import annotations

import os
import subprocess

import msgspec

from wherry.base.errors import Conflict, StoreError
from wherry.containers import kept
from wherry.containers.kept import Container
from wherry.containers.lookup import is_elsewhere, kept_named, out_of_reach, running_kept
from wherry.containers.names import check_name, claim_name
from wherry.containers.ranged import is_ranged, with_all_ids
from wherry.containers.times import now
from wherry.containers.world import World

__all__ = ["clone"]

_NOT_COPIED = ("work", "shown")
"""Folders of a container's that its next start makes anew."""


def clone(name: str, new_name: str = "", *, world: World | None = None) -> str:
    """Make a kept container that holds what ``name`` holds; its id. It shares blocks where the file system can.

    Raises :class:`Conflict` while that one runs, or when ``new_name`` is taken.
    """
    world = world or World()
    source = kept_named(world, name)
    if running_kept(world, source) is not None:
        raise Conflict(f"container '{name}' runs", why="its files may change meanwhile", hint=f"wherry stop {name}")
    if is_elsewhere(world, source):
        raise out_of_reach(world, source)
    if new_name:
        check_name(new_name)
    options = msgspec.structs.replace(source.options, name=new_name or None)
    made = Container(
        id=kept.new_id(),
        name=new_name,
        created=now(),
        image=source.image,
        image_digest=source.image_digest,
        layers=source.layers,
        options=options,
        entry=source.entry,
        node=world.host.node,
        boot_id=world.host.boot_id,
        stamp=source.stamp,
    )
    kept.save(world.containers, made)
    try:
        if is_ranged(source):
            with_all_ids(lambda: _copy(world, source.id, made.id))
        else:
            _copy(world, source.id, made.id)
        if new_name:
            claim_name(world.containers, new_name, made.id)
    except BaseException:
        kept.delete(world.containers, made, world.kept_parents)
        raise
    return made.id


def _copy(world: World, source: str, target: str) -> None:
    for parent in dict.fromkeys((*world.kept_parents, world.containers)):
        folder = f"{parent}/{source}"
        if not os.path.isdir(folder):
            continue
        os.makedirs(f"{parent}/{target}", 0o700, exist_ok=True)
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        # cp(1) knows devices (an overlay's marks of what was removed), attributes, hard links and holes.
        for name in sorted(set(names) - set(_NOT_COPIED)):
            done = subprocess.run(["cp", "-a", "--", f"{folder}/{name}", f"{parent}/{target}/"], capture_output=True)
            if done.returncode != 0:
                why = done.stderr.decode(errors="replace").strip().partition("\n")[0]
                raise StoreError(f"cannot copy the files of container '{source[:12]}'", why=why)
