"""Removing one image: out of sight first, then the look whether it is used, and back if so.

A start that races with a removal is safe, since each side writes before it looks. The one who starts writes the
container's RUNNING file, then looks for the lease (``native/launcher``); the one who plans writes the lease, then looks
for the image's record (:meth:`Store.lease`). The remover takes names and record out of sight, then this node's lease,
then looks for what runs and for other nodes' leases. Removers take turns (``flight.collecting``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound, WherryError
from wherry.base.reference import Reference
from wherry.store import leases
from wherry.store.discard import delete_tree, file_system_time
from wherry.store.durable import unlink_all
from wherry.store.marks import kept_containers
from wherry.store.processes import current
from wherry.store.store import Store, digest_of_file
from wherry.store.values import DAY, Name

__all__ = [
    "Look",
    "Running",
    "is_removable",
    "names_of",
    "not_here",
    "own_names",
    "remove_old_leases",
    "remove_record",
    "require_removable",
    "resume",
]

Running = Callable[[Digest], list[str]]
"""The containers (ids or names) that run on this node from an image."""


class Look(msgspec.Struct, frozen=True):
    """How one looks whether an image is used: what runs, and the session in which that can be seen."""

    running: Running
    session: str
    force: bool = False


def remove_record(store: Store, digest: Digest, look: Look) -> None:
    """Remove names, record and leases of an image, or nothing and raise :class:`Conflict`, :class:`NotFound`."""
    require_removable(store, digest, look)  # most are told here, before anything went out of sight
    named = [(ref, store.name(ref)) for ref in names_of(store, digest)]
    for ref, _ in named:
        store.remove_name(ref)
    try:
        try:
            os.rename(store.record_path(digest), _hidden(store, digest))
        except FileNotFoundError:
            raise not_here(store, digest.short, False) from None
        _finish_removal(store, digest, look)
    except BaseException:
        for ref, name in named:
            if name is not None and not os.path.lexists(store.name_path(ref)):
                store.set_name(ref, name)
        raise


def require_removable(store: Store, digest: Digest, look: Look) -> None:
    """Raise what :func:`remove_record` would raise now."""
    if not os.path.lexists(store.record_path(digest)):
        raise not_here(store, digest.short, store.image_record(digest) is not None)
    used = _use_of(store, digest, look)
    if used is not None:
        raise used


def is_removable(store: Store, digest: Digest, look: Look) -> bool:
    """Whether :func:`remove_record` would do it now."""
    return _use_of(store, digest, look) is None


def resume(store: Store, look: Look) -> None:
    """Finish the removals of those who died in the middle."""
    for name in _list(f"{store.path}/images"):
        digest = digest_of_file(name[1:]) if name.startswith(".") else None
        if digest is None:
            continue
        try:
            _finish_removal(store, digest, look)
        except Conflict:
            continue


def _finish_removal(store: Store, digest: Digest, look: Look) -> None:
    """The second half: the record is out of sight already."""
    hidden_record = _hidden(store, digest)
    hidden_leases = leases.hide(store.path, digest, current().node, look.session)
    try:
        used = _use_of(store, digest, look)
        if used is not None:
            raise used
    except BaseException:
        leases.restore(hidden_leases)
        with suppress(FileNotFoundError):
            os.rename(hidden_record, store.record_path(digest))
        raise
    unlink_all([hidden_record])
    unlink_all(hidden_leases)
    _remove_leases(store, digest, look)


def _remove_leases(store: Store, digest: Digest, look: Look) -> None:
    """Remove those that say nothing any more; one of this session in the open came after the image came back."""
    now, me = file_system_time(store.path), current()
    for lease in leases.all_of(store.path, digest):
        is_open = not os.path.basename(lease.path).startswith(".")
        is_ours = lease.node == me.node and look.session in ("", lease.session)
        if not (is_ours and is_open) and (
            look.force or not leases.may_be_used(lease, now, me.node, me.boot_id, look.session)
        ):
            unlink_all([lease.path])
    try:
        os.rmdir(f"{store.path}/leases/{digest.hex}")
    except OSError:
        return


def _use_of(store: Store, digest: Digest, look: Look) -> Conflict | None:
    ids = look.running(digest)
    if ids:
        return Conflict(
            f"image '{digest.short}' is in use",
            why=f"container '{ids[0][:12]}'" + (f" and {len(ids) - 1} more run" if len(ids) > 1 else " runs"),
            hint=f"wherry stop {' '.join(found[:12] for found in ids[:3])}",
        )
    if look.force:
        return None
    for container in kept_containers(store):
        if container.image_digest == str(digest):
            return Conflict(
                f"image '{digest.short}' is in use",
                why=f"the kept container '{container.name}' was made from it",
                hint=f"wherry rm {container.name}",
            )
    now, me = file_system_time(store.path), current()
    for lease in leases.all_of(store.path, digest):
        if leases.may_be_used(lease, now, me.node, me.boot_id, look.session):
            hours = max(0.0, now - lease.renewed) / 3600
            where, when = f"on node '{lease.node}'", f"it was used there {hours:.1f} h ago"
            if lease.node == me.node:
                where, when = "in another session on this node", f"it was used in one {hours:.1f} h ago"
            return Conflict(
                f"image '{digest.short}' may be in use {where}",
                why=f"{when}, and what runs there cannot be seen from here",
                hint=f"if nothing runs there: wherry rmi --force {digest.short}",
            )
    return None


def remove_old_leases(store: Store) -> int:
    """Remove leases of images that are gone; young ones stay: their image may be coming back just now."""
    gone, now = 0, file_system_time(store.path)
    for name in _list(f"{store.path}/leases"):
        digest = digest_of_file(name)
        if digest is None or os.path.lexists(store.record_path(digest)) or os.path.lexists(_hidden(store, digest)):
            continue
        if all(now - lease.renewed > DAY for lease in leases.all_of(store.path, digest)):
            gone += delete_tree(f"{store.path}/leases/{name}")
    return gone


def own_names(store: Store) -> list[tuple[Reference, Name]]:
    """The names of this store alone."""
    return list(Store(store.path).names())


def names_of(store: Store, digest: Digest) -> list[Reference]:
    """This store's names that lead to an image."""
    return [ref for ref, found in own_names(store) if found.digest == digest]


def not_here(store: Store, name: str, in_site: bool) -> WherryError:
    """The error for what this store does not have, but perhaps one of the site's."""
    if in_site:
        return Conflict(f"image '{name}' cannot be removed", why="it is in one of the site's stores, not in yours")
    return NotFound(f"there is no image '{name}'", hint="'wherry images' lists them")


def _hidden(store: Store, digest: Digest) -> str:
    return f"{store.path}/images/.{digest.hex}"


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
