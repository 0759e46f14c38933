"""Named volumes: directories of the user's that outlive containers, for command lines that name them.

::

    STATE/volumes/NAME/_data         what is bound
    STATE/volumes/NAME/volume.json   when it was made, and its labels
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import Conflict, InvalidName, NotFound, StoreError, reason
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.image import Entry, Image, Tree

__all__ = [
    "Volume",
    "all_volumes",
    "fill_volume",
    "find_volume",
    "is_volume_name",
    "make_volume",
    "remove_volume",
    "users_of_volume",
]

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


def fill_volume(world: World, volume: Volume, image: Image, path: str) -> None:
    """Give an empty volume what the image has at ``path``, as Docker does at the first use. Atomic; owners are ours.

    One that holds something, or is being filled by another process, is left.
    """
    from wherry.containers.trees import remove_tree
    from wherry.image import view

    tree = view(image)
    found = tree.stat(path)
    if found is None or not found.is_dir or os.listdir(volume.path) or not tree.entries(found):
        return
    made = f"{os.path.dirname(volume.path)}/filling-{os.getpid()}"
    try:
        _copy(tree, found, made)
        os.rename(made, volume.path)  # over an empty directory only
    except OSError as error:
        remove_tree(made)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise StoreError(
                f"cannot fill the volume '{volume.name}'", why=f"{error.filename}: {reason(error)}"
            ) from None


def _copy(tree: Tree, directory: Entry, target: str) -> None:
    left, folders = [(directory, target)], []
    while left:
        found, place = left.pop()
        os.mkdir(place, 0o700)
        folders.append((place, found.mode & 0o777 | 0o700))
        for entry in tree.entries(found):
            inside = f"{place}/{entry.path.rpartition('/')[2]}"
            if entry.is_dir:
                left.append((entry, inside))
            elif entry.target:
                os.symlink(entry.target, inside)
            elif entry.is_file:
                shutil.copyfile(entry.real, inside)
                os.chmod(inside, entry.mode & 0o777)
                os.utime(inside, ns=(entry.mtime_ns, entry.mtime_ns))
    for place, mode in folders:
        os.chmod(place, mode)


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
