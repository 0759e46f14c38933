"""Names of containers: files that hold an id, made by link(2), which is exclusive on network file systems too.

A container's folder is complete before its name appears, so a name without its container is what a crash left: it is
taken over.
"""

from __future__ import annotations

import contextlib
import os
import time

from wherry.base.errors import Conflict, InvalidName, StoreError
from wherry.containers import kept
from wherry.containers.kept import Container

__all__ = ["check_name", "claim_name", "owner", "release_name", "taken"]

_GRACE_SECONDS = 60.0
"""A name that leads nowhere may be one that is being given right now; older ones are left-overs."""


def check_name(name: str) -> None:
    """Raise :class:`InvalidName` unless Docker would take it: 2 or more letters, digits, ``_.-``, no sign first."""
    good = len(name) >= 2 and name.isascii() and name[0].isalnum() and all(c.isalnum() or c in "_.-" for c in name)
    if not good or len(name) > 128:
        raise InvalidName(
            f"'{name[:140]}' is not a container's name",
            why="2 to 128 letters, digits, '_', '.', '-', no sign first",
            hint="as --name lab-1",
        )


def claim_name(containers: str, name: str, container_id: str) -> None:
    """Give ``name`` to the container; raise :class:`Conflict` that names the owner when it is taken. Atomic."""
    folder = f"{containers}/names"
    temporary = f"{folder}/.{container_id}"
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        with open(temporary, "w") as file:
            file.write(container_id + "\n")
        try:
            for _ in range(3):
                try:
                    os.link(temporary, f"{folder}/{name}")
                except FileExistsError:
                    _refuse_or_clear(containers, name)
                else:
                    return
            raise Conflict(f"cannot take the name '{name}'", why="others keep taking it at the same time")
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise StoreError(f"cannot give a container the name '{name}'", why=kept.why(error)) from None


def release_name(containers: str, name: str, container_id: str) -> None:
    """Free the name if it still leads to this container. Idempotent."""
    if name and _owner_id(containers, name) == container_id:
        with contextlib.suppress(OSError):
            os.unlink(f"{containers}/names/{name}")


def _owner_id(containers: str, name: str) -> str:
    try:
        with open(f"{containers}/names/{name}") as file:
            return file.read(65).strip()
    except (OSError, ValueError):
        return ""


def taken(name: str, holder: Container) -> Conflict:
    """The error for a name that another container has."""
    return Conflict(
        f"the name '{name}' is taken",
        why=f"by container {holder.id[:12]} of image '{holder.image}', made {holder.created[:10]}",
        hint=f"remove it ('wherry rm -f {name}'), start it ('wherry start {name}'), or choose another name",
    )


def owner(containers: str, name: str) -> Container | None:
    owner_id = _owner_id(containers, name)
    container = kept.read(containers, owner_id) if len(owner_id) == 64 else None
    return container if container is not None and name in container.names else None


def _refuse_or_clear(containers: str, name: str) -> None:
    path = f"{containers}/names/{name}"
    holder = owner(containers, name)
    if holder is not None:
        raise taken(name, holder)
    try:
        age = time.time() - os.stat(path).st_ctime
    except FileNotFoundError:
        return
    if age < _GRACE_SECONDS:
        raise Conflict(f"the name '{name}' is being given to a container right now", hint="try again in a minute")
    with contextlib.suppress(OSError):
        os.unlink(path)
