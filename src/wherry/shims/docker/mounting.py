"""``-v``, ``--mount``, ``--device``, ``--shm-size``, ``--volumes-from``: as texts that Wherry's own ``run`` reads.

A source that is not there is made, as Docker does; a name is a volume; a path alone is a directory of the container's.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call

if TYPE_CHECKING:
    from wherry.containers import Volume, World
    from wherry.launch.options import Bind

__all__ = ["device", "from_others", "memory", "mounts", "unfilled", "volumes"]

_PASSED_OVER = frozenset(("nocopy", "copy", "dev", "exec", "suid", "nosuid", "nodev", "noexec", "U", "rbind", "bind"))


def volumes(call: Call, given: Given, world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``-v`` as binds with a path as source, and the paths that were named alone."""
    bound, places = [], []
    for text in given.many("volume"):
        source, colon, rest = text.partition(":")
        if not colon:
            places.append(_absolute(text))
            continue
        target, _, options = rest.partition(":")
        kept = [option for option in options.split(",") if option and option not in _PASSED_OVER]
        if "O" in kept:
            why = "it is podman's overlay over a directory"
            raise UsageError(f"'-v {text}' is not possible", why=why, hint="cp the directory, or bind it read-only")
        if containers.is_volume_name(source):
            source = containers.make_volume(world, source).path
        else:
            source = _source(world, source)
        bound.append(":".join((source, target, *([",".join(kept)] if kept else []))))
    return tuple(bound), tuple(places)


def unfilled(given: Given, world: World) -> list[tuple[Volume, str]]:
    """Named volumes that are empty, with where they are seen: they get what the image has there."""
    found = []
    for text in given.many("volume"):
        name, _, rest = text.partition(":")
        target, _, options = rest.partition(":")
        if target and containers.is_volume_name(name) and "nocopy" not in options.split(","):
            found.append((name, target))
    for text in given.many("mount"):
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        name = fields.get("source", fields.get("src", ""))
        target = next((fields[key] for key in ("target", "destination", "dst") if key in fields), "")
        if fields.get("type", "volume") == "volume" and name and target and "volume-nocopy" not in fields:
            found.append((name, target))
    volumes_ = [(containers.find_volume(world, name), target) for name, target in found]
    return [(volume, target) for volume, target in volumes_ if not os.listdir(volume.path)]


def mounts(given: Given, world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``--mount``, where the type is ``volume`` unless it is said, and the anonymous volumes among them."""
    bound, places = [], []
    for text in given.many("mount"):
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        kind = fields.get("type", "volume")
        if kind != "volume":
            bound.append(_without(text, "relabel", "bind-recursive", "chown", "U", "consistency"))
            continue
        source = fields.get("source", fields.get("src", ""))
        target = next((fields[name] for name in ("target", "destination", "dst") if name in fields), "")
        if not source:
            places.append(_absolute(target))
            continue
        path = containers.make_volume(world, source).path
        read_only = any(fields.get(name, "false") in ("", "1", "true") for name in ("readonly", "ro"))
        bound.append(f"type=bind,source={path},target={target}" + (",readonly" if read_only else ""))
    return tuple(bound), tuple(places)


def memory(call: Call, given: Given, anonymous: tuple[str, ...] = ()) -> tuple[str, ...]:
    """``--tmpfs``, the size of ``/dev/shm``, and what stays writable in a read-only container: volumes without a name,
    which are directories of the writable layer else, and those that podman adds."""
    found = list(given.many("tmpfs"))
    wanted = given.text("shm_size")
    if wanted and not any(text.split(":")[0] == "/dev/shm" for text in found):
        from wherry.containers.amounts import size

        number = size(wanted, "--shm-size")
        if number:
            found.append(f"/dev/shm:size={number}")
    if given.flag("read_only"):
        found += [f"{path}:exec" for path in anonymous]
        if call.is_podman and "--read-only-tmpfs=false" not in given.prefix:
            named = {*_targets(given), *anonymous}
            found += [f"{path}:exec" for path in ("/run", "/tmp", "/var/tmp") if path not in named]
    return tuple(found)


def _targets(given: Given) -> set[str]:
    """Where the options themselves mount something."""
    found = {text.split(":")[0] for text in given.many("tmpfs")}
    found |= {text.split(":")[1] for text in given.many("volume") if ":" in text}
    for text in given.many("mount"):
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        found |= {fields[name] for name in ("target", "destination", "dst") if name in fields}
    return found


def device(text: str) -> str:
    """``/dev/fuse[:/dev/fuse[:rwm]]`` as a bind."""
    parts = text.split(":")
    if not text.startswith("/"):
        why = "devices by a vendor's name need a description of the device, which is not read yet"
        raise UsageError(f"'--device {text}' is not possible", why=why, hint="name its file in /dev")
    target = parts[1] if len(parts) > 1 and parts[1].startswith("/") else parts[0]
    if not os.path.exists(parts[0]):
        raise UsageError(f"there is no device '{parts[0]}'", hint="ls /dev")
    return f"{parts[0]}:{target}"


def from_others(given: Given, world: World, taken: set[str]) -> tuple[Bind, ...]:
    """What the containers of ``--volumes-from`` bind, where the options themselves bind nothing."""
    import msgspec

    found: list[Bind] = []
    for text in given.many("volumes_from"):
        name, _, mode = text.partition(":")
        kept = containers.find_container(world, name).kept
        for bind in kept.options.binds if kept else ():
            if bind.target not in taken:
                taken.add(bind.target)
                found.append(msgspec.structs.replace(bind, read_only=bind.read_only or "ro" in mode.split(",")))
    return tuple(found)


def _source(world: World, source: str) -> str:
    """A path of the host; a directory is made when nothing is there. A relative one is seen from the current one."""
    path = source if source.startswith("/") else os.path.join(world.outside.cwd(), source)
    if source and not os.path.lexists(path):
        with contextlib.suppress(OSError):  # the launcher will say that it is missing
            os.makedirs(path, exist_ok=True)
    return os.path.normpath(path) if source else source


def _absolute(path: str) -> str:
    if not path.startswith("/") or os.path.normpath(path) == "/":
        raise UsageError(f"invalid volume specification: '{path}'", why="the path in the container must be absolute")
    return path


def _without(text: str, *names: str) -> str:
    return ",".join(part for part in text.split(",") if part.partition("=")[0] not in names)
