"""``run`` and ``create``: the options of a start, Docker's habit of keeping containers, and the way to the launcher."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import msgspec

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.asking import start_options
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import Command
from wherry.shims.docker.mounting import unfilled
from wherry.shims.docker.startoptions import RUN, START

if TYPE_CHECKING:
    from wherry.image import Image
    from wherry.launch.options import RunOptions

__all__ = ["COMMANDS"]


def _run(call: Call, given: Given) -> int:
    from wherry.cli.becoming import become

    world = containers.World()
    options = _writable(given, world, _found(world, start_options(call, given, world)))
    _fill(given, world, options)
    own = _own_settings(given)
    if given.text("cpuset_cpus") and options.cpus:  # there are no more now
        options = msgspec.structs.replace(options, cpus=min(options.cpus, len(os.sched_getaffinity(0))))
    if options.detach or options.name or not options.remove:
        options = _named(call, given, world, options)
        own = True
    prefix = () if own or options.image != given.words[0] else (call.face, *call.words, *given.prefix)
    become(options, world, prefix, quiet=given.flag("quiet"))


def _create(call: Call, given: Given) -> int:
    from wherry.cli.moving import shown

    world = containers.World()
    options = _writable(given, world, _found(world, start_options(call, given, world)))
    options = _named(call, given, world, options)
    _fill(given, world, options)
    with shown(given.flag("quiet")) as progress:
        print(containers.create(options, world=world, progress=progress))
    return 0


def _found(world: containers.World, options: RunOptions) -> RunOptions:
    """With the image as Wherry calls it: it may be named by its ID, or as podman names what it builds."""
    if containers.is_digits(options.image):
        digest = containers.image_by_config(world, options.image)
        return options if digest is None else msgspec.structs.replace(options, image=str(digest))
    name = containers.held_name(world, options.image)
    return options if name == options.image else msgspec.structs.replace(options, image=name)


def _fill(given: Given, world: containers.World, options: RunOptions) -> None:
    """The image is fetched for it where it has to be: what is in it goes into empty volumes."""
    empty = unfilled(given, world) if given.many("volume") or given.many("mount") else []
    image = _image(given, world, options) if empty else None
    if image is not None:
        for volume, target in empty:
            containers.fill_volume(world, volume, image, target)


def _writable(given: Given, world: containers.World, options: RunOptions) -> RunOptions:
    """The image's volumes are written in a read-only container, too: in memory, where nothing else is shown."""
    image = _image(given, world, options) if options.read_only else None
    if image is None:
        return options
    taken = {bind.target for bind in options.binds} | {target for target, _ in options.tmpfs}
    paths = dict.fromkeys(posixpath.normpath(path) for path in image.config.config.volumes if path.startswith("/"))
    more = tuple((path, "exec") for path in paths if path not in taken)
    return msgspec.structs.replace(options, tmpfs=(*options.tmpfs, *more))


def _image(given: Given, world: containers.World, options: RunOptions) -> Image | None:
    from wherry.cli.moving import shown

    with shown(given.flag("quiet")) as progress:
        found = containers.resolve(
            world, options.image, pull=options.pull, platform=options.platform, progress=progress
        )
    return found.image if isinstance(found, containers.Resolved) else None


def _named(call: Call, given: Given, world: containers.World, options: RunOptions) -> RunOptions:
    """With a name: nothing that Docker keeps is without one; and nothing is kept where its id cannot be written."""
    if options.cidfile and os.path.lexists(options.cidfile):
        raise UsageError(
            f"container ID file found, make sure the other container isn't running or delete {options.cidfile}",
            hint="or name another file",
        )
    if not options.name:
        from wherry.shims.docker.naming import fresh_name

        return msgspec.structs.replace(options, name=fresh_name(world.containers))
    name = options.name.removeprefix("/")
    if given.flag("replace"):
        containers.rm(name, force=True, world=world)
    return msgspec.structs.replace(options, name=name)


def _own_settings(given: Given) -> bool:
    """What this process sets of its own and the container inherits: processors, the mask of new files."""
    cpus, mask = given.text("cpuset_cpus"), given.text("umask")
    if cpus:
        try:
            os.sched_setaffinity(0, _numbers(cpus))
        except (OSError, ValueError):
            why = "these are not processors that you may use"
            hint = f"there are {','.join(map(str, sorted(os.sched_getaffinity(0))))}"
            raise UsageError(f"'--cpuset-cpus {cpus}' is not possible here", why=why, hint=hint) from None
    if mask:
        try:
            os.umask(int(mask, 8) & 0o777)
        except ValueError:
            raise UsageError(f"'--umask {mask}' is not a mask", hint="--umask 0022") from None
    return bool(cpus or mask)


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


COMMANDS = {
    "run": Command(
        _run,
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Create and run a new container from an image",
        RUN,
        least=1,
        most=-1,
        stops=True,
    ),
    "create": Command(
        _create, "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", START, least=1, most=-1, stops=True
    ),
}
