"""Named volumes: directories of the user's that outlive containers, for command lines that name them.

::

    STATE/volumes/NAME/_data         what is bound
    STATE/volumes/NAME/volume.json   when it was made, and its labels
"""

from __future__ import annotations

import os
import re

import msgspec

from wherry.base.errors import Conflict, InvalidName, NotFound, StoreError, reason
from wherry.containers.world import World

__all__ = ["Volume", "all_volumes", "find_volume", "is_volume_name", "make_volume", "remove_volume", "users_of_volume"]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_OPEN = 0o755


class Volume(msgspec.Struct, frozen=True):
    """``path`` is the directory that containers see; ``created`` is RFC 3339, UTC."""

    name: str
    path: str
    created: str = ""
    labels: dict[str, str] = {}


class _OnDisk(msgspec.Struct):
    created: str = ""
    labels: dict[str, str] = {}


def is_volume_name(text: str) -> bool:
    """Whether ``text`` can be a volume's name: as Docker's, two or more letters, digits, ``_.-``, no sign first."""
    return bool(_NAME.fullmatch(text))


def make_volume(world: World, name: str, labels: dict[str, str] | None = None) -> Volume:
    """The volume of that name, made when there is none. Idempotent."""
    if not is_volume_name(name) or len(name) > 255:
        why = "two or more letters, digits, '_', '.', '-', no sign first"
        raise InvalidName(f"'{name[:140]}' is not a volume's name", why=why)
    found = _read(world, name)
    if found is not None:
        return found
    from wherry.containers.times import now

    folder = f"{_folder(world)}/{name}"
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        temporary = f"{folder}/volume.json.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(_OnDisk(now(), labels or {})))
        os.replace(temporary, f"{folder}/volume.json")
        os.makedirs(f"{folder}/_data", _OPEN, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the volume '{name}'", why=f"{error.filename}: {reason(error)}") from None
    return find_volume(world, name)


def find_volume(world: World, name: str) -> Volume:
    """The volume of that name; raise :class:`NotFound`."""
    found = _read(world, name) if is_volume_name(name) else None
    if found is None:
        raise NotFound(f"there is no volume '{name}'")
    return found


def all_volumes(world: World) -> list[Volume]:
    """All of them, by name."""
    try:
        names = sorted(os.listdir(_folder(world)))
    except OSError:
        return []
    return [found for name in names if (found := _read(world, name)) is not None]


def users_of_volume(world: World, volume: Volume) -> list[str]:
    """The kept containers that bind it: names, or the beginning of ids."""
    from wherry.containers.kept import kept_containers

    return sorted(
        container.name or container.id[:12]
        for container in kept_containers(world.containers)
        if any(bind.source == volume.path for bind in container.options.binds)
    )


def remove_volume(world: World, name: str) -> None:
    """Remove it with what is in it; raise :class:`NotFound`, and :class:`Conflict` while a container binds it."""
    from wherry.containers.trees import remove_tree

    volume = find_volume(world, name)
    users = users_of_volume(world, volume)
    if users:
        raise Conflict(f"volume '{name}' is in use", why=f"by container {', '.join(users)}", hint="remove that first")
    try:
        remove_tree(os.path.dirname(volume.path))
    except OSError as error:
        raise StoreError(f"cannot remove the volume '{name}'", why=reason(error)) from None


def _folder(world: World) -> str:
    return f"{world.state}/volumes"


def _read(world: World, name: str) -> Volume | None:
    folder = f"{_folder(world)}/{name}"
    try:
        with open(f"{folder}/volume.json", "rb") as file:
            found = msgspec.json.decode(file.read(), type=_OnDisk)
    except (OSError, msgspec.MsgspecError):
        return None
    return Volume(name, f"{folder}/_data", found.created, found.labels) if os.path.isdir(f"{folder}/_data") else None
