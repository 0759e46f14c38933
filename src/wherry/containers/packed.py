"""Image files that run where they lie: a squashfs, alone or in a SIF file, is mounted for the job that uses it.

Three ways, the first that works: in a user and mount namespace of the program that serves it, which containers take the
mount from; on the host, by ``fusermount3``; or unpacked once into the store (``docs/decisions/0005-...``).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import Conflict, HostLacks, ImageError, NotFound, reason
from wherry.base.outside import caller_environment
from wherry.base.progress import Progress, silent
from wherry.containers.mounting import JOB_VARIABLES, Refused, Server, folder_of, mount, mount_key
from wherry.containers.world import World
from wherry.image import Image, PackedImage, directory_of, open_mounted, packed_facts
from wherry.launch import MOUNT, Mounted, Paths, RunOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.containers.kept import Container

__all__ = ["as_mounted", "fitting", "image_of_file", "open_packed", "stamp_of", "unreadable"]

_EVER = 365 * 86400
_NOTHING = (1 << 64) - 1
"""In a superblock: there is no such table."""
_KEEPER = f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/_native/wherry-keeper"


def open_packed(world: World, path: str, *, dry_run: bool = False, progress: Progress = silent) -> Image:
    """The image in a squashfs or SIF file, mounted (also where ``dry_run``: that leaves nothing) or, where that cannot
    be had, unpacked into the store. The world holds the mount.

    Raises what :func:`wherry.image.packed_facts` raises, and :class:`HostLacks` for a way that the setting
    ``run.mount`` insists on and that cannot be had.
    """
    chosen = world.settings.text("run.mount")
    ways = ("namespace", "host", "unpack") if chosen == "auto" else (chosen,)
    return _open(world, path, ways, progress)


def fitting(world: World, image: Image, options: RunOptions, engine: str) -> Image:
    """The image mounted so that this engine can use it: only namespaces can take a mount from other namespaces, only
    into an overlay, and only for the caller: FUSE knows no other id there; programs of others crash."""
    found = world.mounts.get(directory_of(image))
    if found is None or found.helper:
        return image
    overlay = world.host.overlay or bool(world.host.fuse_overlayfs)
    ranged = options.userns == "range"
    if engine == "namespace" and overlay and not (options.copy or ranged):
        return image
    if world.settings.text("run.mount") == "namespace":
        why = "its containers could not reach the mount" if overlay else "this machine has no overlayfs"
        raise HostLacks(
            f"'{found.path}' cannot be mounted in a namespace for the engine '{engine}'",
            why="other users than you could not read it there (--userns range)" if ranged else why,
            hint="set run.mount to auto",
        )
    return _open(world, found.path, ("host", "unpack"), silent)


def as_mounted(world: World, image: Image, paths: Paths, engine: str) -> tuple[Image, Paths]:
    """Image and paths as a plan names them. The launcher finds the job's mount by itself, so a plan serves all jobs;
    only what engines without namespaces write down must be the real path."""
    found = world.mounts.get(directory_of(image))
    if found is None:
        return image, paths
    mounted, tree = Mounted(found.prefix, JOB_VARIABLES), f"{MOUNT}/tree"
    if engine != "namespace":
        for name in JOB_VARIABLES:
            world.outside.env(name)
        mounted, tree = Mounted(folder_of(found.prefix, caller_environment())), found.tree
    layers = tuple(msgspec.structs.replace(layer, tree=tree) for layer in image.layers)
    paths = msgspec.structs.replace(paths, mounted=mounted, flat=tree if paths.flat else "")
    return msgspec.structs.replace(image, layers=layers), paths


def unreadable(world: World, error: OSError) -> Exception:
    """What to tell of an error while planning: the image file's where it came from its mount, else the error itself."""
    name = error.filename if isinstance(error.filename, str) else ""
    for tree, found in world.mounts.items():
        if name.startswith(f"{tree}/"):
            return ImageError(
                f"the image file '{found.path}' cannot be read",
                why=f"'{name[len(tree) :]}' in it: {reason(error)}",
                hint="it is damaged: compare it with the one that it was copied from",
            )
    return error


def stamp_of(world: World, image: Image) -> str:
    """By what a kept container knows the file of its image again; empty for a directory."""
    found = world.mounts.get(directory_of(image))
    return _stamp(os.stat(found.path)) if found else ""


def image_of_file(world: World, container: Container) -> Image:
    """The image of a kept container that was made from a file; raises where that is gone, or another."""
    path, name = container.image, container.name or container.id[:12]
    try:
        found = _stamp(os.stat(path))
    except OSError as error:
        raise NotFound(
            f"the image file '{path}' of container '{name}' is not there", why=reason(error), hint="bring it back"
        ) from None
    if found != container.stamp:
        raise Conflict(
            f"the image file '{path}' has changed since container '{name}' was made",
            why="what the container wrote belongs to the file as it was",
            hint=f"bring the old file back, or make the container anew: wherry rm {name}",
        )
    return open_packed(world, path)


def _stamp(found: os.stat_result) -> str:
    """Not its device and inode: these change when a file system is mounted anew."""
    return f"{found.st_size}:{found.st_mtime_ns}"


def _open(world: World, path: str, ways: tuple[str, ...], progress: Progress) -> Image:
    problems: list[str] = []
    facts = packed_facts(path)
    for way in ways:
        if way == "unpack":
            return _unpacked(world, path, problems, progress)
        try:
            return _mounted(world, facts, way)
        except Refused as refused:
            problems.append(str(refused))
    raise HostLacks(
        f"'{path}' cannot be mounted", why="; ".join(problems), hint="set run.mount to auto; wherry doctor says more"
    )


def _unpacked(world: World, path: str, problems: list[str], progress: Progress) -> Image:
    from wherry.image import unpack_packed

    image = unpack_packed(world.store, path, progress)
    if problems:
        sys.stderr.write(f"wherry: '{path}' was unpacked, since it cannot be mounted here: {problems[-1]}\n")
    return image


def _mounted(world: World, facts: PackedImage, way: str) -> Image:
    try:
        file = os.open(facts.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f"cannot open '{facts.path}'", why=reason(error)) from None
    try:
        stamp, problem = os.fstat(file), "no program that mounts it is installed (squashfuse)"
        prefix = f"{world.runtime}/mounts/{mount_key(stamp, facts.offset, helper=way == 'host')}"
        grace = world.settings.number("run.mount_grace")
        for server in _servers(file, facts, way):
            try:
                found = mount(facts.path, prefix, file, server, _KEEPER, caller_environment(), grace=grace)
            except Refused as refused:
                problem = f"{os.path.basename(server.words[0])} says: {refused}"
                continue
            world.mounts[found.tree] = found
            return open_mounted(facts, found.tree)
    finally:
        os.close(file)
    raise Refused(problem)


def _servers(file: int, facts: PackedImage, way: str) -> Iterator[Server]:
    """What can serve it, the best first. The files shall be the user's: on the host they are shown so; in the namespace
    root is the user, so that those of root are."""
    from wherry.host import find_squashfuse

    programs = find_squashfuse()
    if way == "host" and not programs.helper:
        return
    helper = programs.helper if way == "host" else ""
    uid, gid = (os.geteuid(), os.getegid()) if helper else (0, 0)
    named = "".join(letter if letter.isalnum() else "_" for letter in os.path.basename(facts.path))[:60]
    options, owner = f"ro,offset={facts.offset},fsname={named}", f"uid={uid},gid={gid}"
    last, plain = "/proc/self/fd/3", facts.superblock is not None and facts.superblock.xattr_table == _NOTHING
    if programs.low and not helper and _is_all_root(file, facts):
        yield Server((programs.low, "-f", "-o", options, last), helper, plain)
    elif giving := programs.giving:
        yield Server((giving, "-f", "-o", f"{options},{owner}", last), helper, plain)
    if programs.high:
        times = ",".join(f"{name}_timeout={_EVER}" for name in ("entry", "negative", "attr"))
        yield Server((programs.high, "-f", "-o", f"{options},{owner},kernel_cache,{times}", last), helper, plain)


def _is_all_root(file: int, facts: PackedImage) -> bool:
    """Whether all files are root's: the table of owners has one entry, and that is 0 (the table's only block begins
    with its length, the highest bit of which says that it is not compressed)."""
    found = facts.superblock
    if found is None or found.ids != 1:
        return False
    block = int.from_bytes(os.pread(file, 8, facts.offset + found.id_table), "little")
    if block >= facts.size:
        return False
    return os.pread(file, 6, facts.offset + block) == b"\x04\x80\x00\x00\x00\x00"
