"""Removing images, and what nobody needs any more, never what runs.

A start that races with a removal is safe, since each side writes before it looks. The one who starts writes the
container's RUNNING file, then looks for the lease (``native/launcher``); the one who plans writes the lease, then looks
for the image's record (:meth:`Store.lease`). The remover takes the record out of sight, then this node's lease, then
looks for what runs and for other nodes' leases, and puts all back when there is any.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound, WherryError
from wherry.base.reference import Reference
from wherry.store import leases
from wherry.store.discard import delete_tree, file_system_time, sweep
from wherry.store.disk import usage
from wherry.store.faults import reported
from wherry.store.marks import kept_containers, own_records
from wherry.store.processes import current
from wherry.store.store import Store, digest_of_file
from wherry.store.sweeping import remove_unmarked
from wherry.store.values import DAY, ImageRecord

__all__ = ["PruneResult", "Running", "enforce_limit", "prune", "remove_image", "usage"]

Running = Callable[[Digest], list[str]]
"""The containers (ids or names) that run on this node from an image."""


class PruneResult(msgspec.Struct, frozen=True):
    """What went (or would go): about how many ``bytes``, names, images, layer keys, how many blobs, flattened trees
    and left-overs. ``over``: bytes by which the store is still over its limit (:func:`enforce_limit`)."""

    bytes: int = 0
    names: tuple[Reference, ...] = ()
    images: tuple[Digest, ...] = ()
    layers: tuple[str, ...] = ()
    blobs: int = 0
    flat: int = 0
    unfinished: int = 0
    over: int = 0


def remove_image(store: Store, what: Reference | Digest, running: Running, force: bool = False) -> PruneResult:
    """Remove a name and, when it was the last one, its image with all that no other image needs.

    A digest removes the image with all its names. Raises :class:`NotFound`; :class:`Conflict` when a container runs
    from it (``force`` or not), and without ``force`` when a kept container needs it, another node holds a lease, or a
    digest has several names. With ``force`` a kept container keeps its layers, and other nodes' leases are ignored.
    """
    with reported("remove an image", store.path):
        if isinstance(what, Reference) and what.digest is None:
            return _remove_name(store, what, running, force)
        digest = what.digest if isinstance(what, Reference) else what
        assert digest is not None
        named = _names_of(store, digest)
        if len(named) > 1 and not force:
            listed = ", ".join(ref.familiar for ref in named)
            raise Conflict(
                f"image '{digest.short}' has {len(named)} names",
                why=listed,
                hint=f"remove them one by one, or all: wherry rmi --force {digest.short}",
            )
        _remove_record(store, digest, running, force)
        return _after(store, named, (digest,))


def _remove_name(store: Store, ref: Reference, running: Running, force: bool) -> PruneResult:
    found = store.name(ref)
    if found is None or not os.path.lexists(store.name_path(ref)):
        raise _not_here(store, ref.familiar, found is not None)
    others = [other for other in _names_of(store, found.digest) if other != ref]
    if others or not os.path.lexists(store.record_path(found.digest)):
        store.remove_name(ref)
        return _after(store, [ref], ())
    _remove_record(store, found.digest, running, force)
    return _after(store, [ref], (found.digest,))


def _remove_record(store: Store, digest: Digest, running: Running, force: bool) -> None:
    """Take the image out of sight, look whether it is used, and put it back if so (then raise :class:`Conflict`)."""
    if not force:
        _refuse_kept(store, digest)
    record, hidden_record = store.record_path(digest), _hidden(store, digest)
    try:
        os.rename(record, hidden_record)
    except FileNotFoundError:
        raise _not_here(store, digest.short, store.image_record(digest) is not None) from None
    _finish_removal(store, digest, running, force)


def _finish_removal(store: Store, digest: Digest, running: Running, force: bool) -> None:
    """The second half, also of a removal whose process died: the record is out of sight already."""
    record, hidden_record, node = store.record_path(digest), _hidden(store, digest), current().node
    hidden_lease = leases.hide(store.path, digest, node)
    try:
        used = _use_of(store, digest, running, force)
    except BaseException:
        leases.restore(store.path, digest, node, hidden_lease)
        _rename_quietly(hidden_record, record)
        raise
    if used is not None:
        leases.restore(store.path, digest, node, hidden_lease)
        _rename_quietly(hidden_record, record)
        raise used
    for ref in _names_of(store, digest):
        if not os.path.lexists(record):  # else it was pulled again meanwhile, and the name is the new one's
            store.remove_name(ref)
    delete_tree(hidden_record)
    delete_tree(f"{store.path}/leases/{digest.hex}")


def _use_of(store: Store, digest: Digest, running: Running, force: bool) -> Conflict | None:
    ids = running(digest)
    if ids:
        return Conflict(
            f"image '{digest.short}' is in use",
            why=f"container '{ids[0][:12]}'" + (f" and {len(ids) - 1} more run" if len(ids) > 1 else " runs"),
            hint=f"wherry stop {' '.join(found[:12] for found in ids[:3])}",
        )
    if force:
        return None
    now, me = file_system_time(store.path), current()
    for lease in leases.all_of(store.path, digest):
        if lease.node != me.node and leases.is_fresh(lease, now, me.node, me.boot_id):
            hours = max(0.0, now - lease.renewed) / 3600
            return Conflict(
                f"image '{digest.short}' may be in use on node '{lease.node}'",
                why=f"it was used there {hours:.1f} h ago (this counts for a day, since that node cannot be asked)",
                hint=f"if nothing runs there: wherry rmi --force {digest.short}",
            )
    return None


def prune(store: Store, running: Running, *, everything: bool = False, dry_run: bool = False) -> PruneResult:
    """Remove what no name leads to and no container needs: images whose tag moved on, layers, blobs, left-overs.

    With ``everything`` also named images that no container uses. Nothing that is leased by another node, runs, or is
    being pulled goes. ``dry_run`` says what would go.
    """
    with reported("remove what no image needs", store.path):
        if not dry_run:
            _resume(store, running)
        names, images = [], []
        for record in _by_age(store):
            named = _names_of(store, record.digest)
            if (named or record.reference) and not everything:
                continue
            if _try_removal(store, record.digest, running, dry_run):
                names += named
                images.append(record.digest)
        names += _nameless(store, dry_run, set(images))
        unfinished = 0 if dry_run else sweep(store.path) + _old_leases(store)
        return _after(store, names, tuple(images), unfinished=unfinished, dry_run=dry_run)


def enforce_limit(store: Store, max_size: int, running: Running, *, keep: Iterable[Digest] = ()) -> PruneResult:
    """Remove images, the least recently used first, until the store takes at most ``max_size`` bytes (0: no limit).

    ``keep`` are spared (the image just pulled), and so is what is in use; ``over`` says what remains too much.
    """
    if max_size <= 0:
        return PruneResult()
    spared = set(keep)
    total = usage(store).total
    result = PruneResult(over=max(0, total - max_size))
    if not result.over:
        return result
    with reported("keep the store below its limit", store.path):
        _resume(store, running)
        result = _joined(result, _after(store, [], (), unfinished=sweep(store.path)))
        for record in _by_age(store):
            total = usage(store).total
            if total <= max_size:
                break
            named = _names_of(store, record.digest)
            if record.digest not in spared and _try_removal(store, record.digest, running, dry_run=False):
                result = _joined(result, _after(store, named, (record.digest,)))
    return msgspec.structs.replace(result, over=max(0, usage(store).total - max_size))


def _resume(store: Store, running: Running) -> None:
    """Finish the removals of those who died in the middle."""
    for name in _list(f"{store.path}/images"):
        digest = digest_of_file(name[1:]) if name.startswith(".") else None
        if digest is None:
            continue
        try:
            _finish_removal(store, digest, running, force=False)
        except Conflict:
            continue


def _try_removal(store: Store, digest: Digest, running: Running, dry_run: bool) -> bool:
    try:
        _refuse_kept(store, digest)
        if not dry_run:
            _remove_record(store, digest, running, force=False)
            return True
        return _use_of(store, digest, running, force=False) is None
    except (Conflict, NotFound):
        return False


def _by_age(store: Store) -> list[ImageRecord]:
    """This store's images, the longest unused first; a start renews the lease, a pull and a plan the record."""

    def last_use(record: ImageRecord) -> float:
        try:
            used = os.stat(store.record_path(record.digest)).st_mtime
        except FileNotFoundError:
            used = 0.0
        return max([used, *(lease.renewed for lease in leases.all_of(store.path, record.digest))])

    return sorted(own_records(store), key=last_use)


def _nameless(store: Store, dry_run: bool, going: set[Digest]) -> list[Reference]:
    """Remove names whose image is gone (their remover died, or a puller of the same image was overtaken)."""
    found = []
    for ref, name in _own_names(store):
        if name in going or store.image_record(name) is not None:
            continue
        if os.path.lexists(_hidden(store, name)):
            continue
        found.append(ref)
        if not dry_run:
            store.remove_name(ref)
    return found


def _old_leases(store: Store) -> int:
    """Remove leases of images that are gone; young ones stay: their image may be coming back just now."""
    gone, now = 0, file_system_time(store.path)
    for name in _list(f"{store.path}/leases"):
        digest = digest_of_file(name)
        if digest is None or os.path.lexists(store.record_path(digest)) or os.path.lexists(_hidden(store, digest)):
            continue
        if all(now - lease.renewed > DAY for lease in leases.all_of(store.path, digest)):
            gone += delete_tree(f"{store.path}/leases/{name}")
    return gone


def _after(
    store: Store, names: list[Reference], images: tuple[Digest, ...], *, unfinished: int = 0, dry_run: bool = False
) -> PruneResult:
    gone = remove_unmarked(store, dry_run=dry_run, going=frozenset(images))
    return PruneResult(gone.bytes, tuple(names), images, gone.layers, gone.blobs, gone.flat, unfinished)


def _joined(one: PruneResult, two: PruneResult) -> PruneResult:
    return PruneResult(*(getattr(one, field) + getattr(two, field) for field in PruneResult.__struct_fields__))


def _refuse_kept(store: Store, digest: Digest) -> None:
    for container in kept_containers(store):
        if container.image_digest == str(digest):
            raise Conflict(
                f"image '{digest.short}' is in use",
                why=f"the kept container '{container.name}' was made from it",
                hint=f"wherry rm {container.name}",
            )


def _own_names(store: Store) -> list[tuple[Reference, Digest]]:
    return [(ref, name.digest) for ref, name in Store(store.path).names()]


def _names_of(store: Store, digest: Digest) -> list[Reference]:
    return [ref for ref, found in _own_names(store) if found == digest]


def _not_here(store: Store, name: str, in_site: bool) -> WherryError:
    if in_site:
        return Conflict(f"image '{name}' cannot be removed", why="it is in one of the site's stores, not in yours")
    return NotFound(f"there is no image '{name}'", hint="'wherry images' lists them")


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _hidden(store: Store, digest: Digest) -> str:
    return f"{store.path}/images/.{digest.hex}"


def _rename_quietly(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return
