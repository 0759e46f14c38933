"""Containers that stay until ``rm``: ``STORE/containers/ID`` and the names that lead to them.

::

    containers/ID/container.json    what it was made from (:class:`Container`), replaced as a whole
    containers/ID/upper, work       its writable layer
    containers/ID/log.json          its output (Docker's json-file lines)
    containers/ID/writer            locked while a run of udocker's kind writes that layer
    containers/ID/exit.json         how it ended last; absent while it runs, and when its end was never written
    containers/names/NAME           the id, made by link(2), which is exclusive on network file systems too

The names are :mod:`wherry.containers.names`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from wherry.base.errors import Conflict, NotFound, StoreError, reason
from wherry.launch import RunOptions

__all__ = [
    "Container",
    "Exit",
    "delete",
    "find",
    "forget_exit",
    "kept_containers",
    "new_id",
    "not_found",
    "read",
    "read_exit",
    "save",
    "why",
]


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A kept container. Times are RFC 3339, UTC; ``started``, ``node``, ``boot_id`` and ``runtime`` are of the last
    start (``runtime`` is the session's folder of running containers: a node may have several). ``aliases`` are further
    names; a ``protected`` one is not removed. ``stamp`` tells whether the file that ``image`` names is still the same,
    where it runs where it lies; empty else."""

    id: str
    name: str = ""
    created: str
    image: str
    image_digest: str
    layers: tuple[str, ...] = ()
    options: RunOptions
    entry: tuple[str, ...] = ()
    started: str = ""
    node: str = ""
    boot_id: str = ""
    runtime: str = ""
    aliases: tuple[str, ...] = ()
    protected: bool = False
    stamp: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (*((self.name,) if self.name else ()), *self.aliases)

    def folder(self, containers: str) -> str:
        return f"{containers}/{self.id}"


class Exit(msgspec.Struct, frozen=True):
    """``exit.json``: the status as a shell shows it, the signal that ended it or 0, when; the limit that it came to:
    ``memory``, ``processes`` or none."""

    exit: int
    signal: int = 0
    time: str = ""
    limit: str = ""


def new_id() -> str:
    return os.urandom(32).hex()


_STORE = "kept containers lie in the store: export WHERRY_STORE=/a/folder/that/you/may/write"


def save(containers: str, container: Container) -> None:
    """Write ``container.json``, as a whole or not at all; makes the folder (0700) when it is new."""
    folder = container.folder(containers)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        temporary = f"{folder}/container.json.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(container))
        os.rename(temporary, f"{folder}/container.json")
    except OSError as error:
        raise StoreError(
            f"cannot keep container '{container.name or container.id[:12]}'", why=why(error), hint=_STORE
        ) from None


def read(containers: str, container_id: str) -> Container | None:
    """The kept container of exactly this id; None when there is none, or it is not readable as one."""
    try:
        with open(f"{containers}/{container_id}/container.json", "rb") as file:
            return msgspec.json.decode(file.read(), type=Container)
    except (OSError, msgspec.MsgspecError):
        return None


def read_exit(containers: str, container_id: str) -> Exit | None:
    """How it ended last, None when it did not (yet)."""
    try:
        with open(f"{containers}/{container_id}/exit.json", "rb") as file:
            return msgspec.json.decode(file.read(), type=Exit)
    except (OSError, msgspec.MsgspecError):
        return None


def forget_exit(containers: str, container_id: str) -> None:
    """Remove ``exit.json``: the container is about to start again. Idempotent."""
    try:
        os.unlink(f"{containers}/{container_id}/exit.json")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot start container '{container_id[:12]}'", why=why(error)) from None


def kept_containers(containers: str) -> Iterator[Container]:
    """All kept containers, in no order."""
    for container_id in _ids(containers):
        container = read(containers, container_id)
        if container is not None:
            yield container


def find(containers: str, text: str) -> Container | None:
    """By name, else by id or the beginning of one; None when nothing fits; :class:`Conflict` when several do."""
    from wherry.containers.names import owner

    named = owner(containers, text) if text and "/" not in text else None
    if named is not None:
        return named
    if not text or not set(text) <= set("0123456789abcdef"):
        return None
    fitting = [container_id for container_id in _ids(containers) if container_id.startswith(text)]
    if len(fitting) > 1:
        shown = ", ".join(container_id[:12] for container_id in sorted(fitting)[:5])
        raise Conflict(f"'{text}' fits several containers", why=shown, hint="give more digits of the id")
    return read(containers, fitting[0]) if fitting else None


def delete(containers: str, container: Container, scratch: tuple[str, ...] = ()) -> None:
    """Remove the container, its name and its writable layer; raise :class:`StoreError` when something resists."""
    from wherry.containers.names import release_name
    from wherry.containers.trees import remove_tree

    for name in container.names:
        release_name(containers, name, container.id)
    for parent in (*scratch, containers):
        try:
            remove_tree(f"{parent}/{container.id}")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(
                f"cannot remove container '{container.name or container.id[:12]}'", why=why(error)
            ) from None


def not_found(text: str, known: list[str]) -> NotFound:
    """The error for a container that does not exist, with the nearest known name."""
    import difflib

    near = difflib.get_close_matches(text, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else "'wherry ps -a' lists them all"
    return NotFound(f"there is no container '{text}'", hint=hint)


def _ids(containers: str) -> list[str]:
    try:
        return [name for name in os.listdir(containers) if len(name) == 64]
    except OSError:
        return []


def why(error: OSError) -> str:
    return f"{error.filename}: {reason(error)}" if error.filename else reason(error)
