"""Removing images, and what nobody needs any more, never what runs (``removal`` says how)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound
from wherry.base.reference import Reference
from wherry.store import files, leases, owners, removal, sources
from wherry.store.discard import delete_tree, file_system_time, sweep
from wherry.store.disk import usage
from wherry.store.evicting import Cached, CacheRule, evict, is_cache_within
from wherry.store.faults import reported
from wherry.store.flight import collecting
from wherry.store.leases import session_of
from wherry.store.marks import own_records
from wherry.store.processes import current
from wherry.store.removal import Look, Running, names_of, not_here, remove_record, require_removable
from wherry.store.store import Store
from wherry.store.sweeping import remove_unmarked
from wherry.store.values import ImageRecord

__all__ = [
    "CacheRule",
    "PruneResult",
    "Running",
    "enforce_limit",
    "prune",
    "prune_cache",
    "remove_image",
    "usage",
    "used_elsewhere",
]


class PruneResult(msgspec.Struct, frozen=True):
    """What went (or would go): about how many ``bytes``, names, images, layer keys, how many blobs, flattened trees
    and left-overs. ``over``: bytes by which the store is still over its limit (:func:`enforce_limit`). ``steps`` of
    builds were forgotten, and cache ``mounts`` removed."""

    bytes: int = 0
    names: tuple[Reference, ...] = ()
    images: tuple[Digest, ...] = ()
    layers: tuple[str, ...] = ()
    blobs: int = 0
    flat: int = 0
    unfinished: int = 0
    over: int = 0
    steps: int = 0
    mounts: tuple[str, ...] = ()


def remove_image(
    store: Store,
    what: Reference | Digest,
    running: Running,
    force: bool = False,
    *,
    runtime: str = "",
    dry_run: bool = False,
    gone: tuple[Reference | Digest, ...] = (),
) -> PruneResult:
    """Remove a name and, when it was the last one, its image with all that no other image needs.

    A digest removes the image with all its names. Raises :class:`NotFound`; :class:`Conflict` when a container runs
    from it (``force`` or not), and without ``force`` when a kept container needs it, another node holds a lease, or a
    digest has several names. With ``force`` a kept container keeps its layers, and other nodes' leases are ignored.
    ``runtime`` is the folder where the containers are noted that ``running`` sees. ``dry_run`` changes nothing, and
    takes the names and images in ``gone`` for removed before.
    """
    look = Look(running, session_of(runtime), force)
    digest = what.digest if isinstance(what, Reference) else what
    with _removing(store, "remove an image", dry_run) as trash:
        if isinstance(what, Reference) and digest is None:
            return _remove_name(store, what, look, trash, dry_run=dry_run, gone=gone)
        assert digest is not None
        if digest in gone:
            raise not_here(store, digest.short, False)
        named = [ref for ref in names_of(store, digest) if ref not in gone]
        if len(named) > 1 and not force:
            listed = ", ".join(ref.familiar for ref in named)
            raise Conflict(
                f"image '{digest.short}' has {len(named)} names",
                why=listed,
                hint=f"remove them one by one, or all: wherry rmi --force {digest.short}",
            )
        _remove_or_check(store, digest, look, dry_run)
        return _after(store, named, (digest,), trash, dry_run=dry_run, gone=gone)


def _remove_name(
    store: Store, ref: Reference, look: Look, trash: list[str], *, dry_run: bool, gone: tuple[Reference | Digest, ...]
) -> PruneResult:
    found = store.name(ref)
    if found is None or ref in gone or not os.path.lexists(store.name_path(ref)):
        raise not_here(store, ref.familiar, found is not None and ref not in gone)
    others = [other for other in names_of(store, found.digest) if other != ref and other not in gone]
    if others or not os.path.lexists(store.record_path(found.digest)):
        if not dry_run:
            store.remove_name(ref)
        return _after(store, [ref], (), trash, dry_run=dry_run, gone=gone)
    _remove_or_check(store, found.digest, look, dry_run)
    return _after(store, [ref], (found.digest,), trash, dry_run=dry_run, gone=gone)


def _remove_or_check(store: Store, digest: Digest, look: Look, dry_run: bool) -> None:
    if dry_run:
        require_removable(store, digest, look)
    else:
        remove_record(store, digest, look)


def prune(
    store: Store,
    running: Running,
    *,
    everything: bool = False,
    dry_run: bool = False,
    runtime: str = "",
    cache: CacheRule = CacheRule(),  # noqa: B008 - frozen
) -> PruneResult:
    """Remove what no name leads to and no container needs: images whose tag moved on, layers, blobs, left-overs, and
    what builds left beyond ``cache``.

    With ``everything`` also named images that no container uses. Nothing that is leased by another node, runs, or is
    being pulled or built goes. ``dry_run`` says what would go.
    """
    look = Look(running, session_of(runtime))
    with _removing(store, "remove what no image needs", dry_run) as trash:
        if not dry_run:
            removal.resume(store, look)
        names, images = [], []
        for record in _by_age(store):
            named = names_of(store, record.digest)
            if (named or _is_wanted(record)) and not everything:
                continue
            if _try_removal(store, record.digest, look, dry_run):
                names += named
                images.append(record.digest)
        names += _nameless(store, dry_run, set(images))
        unfinished = 0 if dry_run else sweep(store.path) + removal.remove_old_leases(store)
        left = evict(store, cache, trash, dry_run=dry_run, without=frozenset(images))
        result = _after(store, names, tuple(images), trash, unfinished=unfinished, dry_run=dry_run, left=left)
        if not dry_run:
            sources.forget(store.path, lambda key: store.find_layer(key) is not None)
            owners.forget(store.path, lambda key: store.find_layer(key) is not None)
            files.forget(store.path, lambda digest: store.image_record(digest) is not None)
        return result


def prune_cache(store: Store, cache: CacheRule, *, dry_run: bool = False) -> PruneResult:
    """Remove what builds left beyond ``cache``, and nothing else but the layers that nothing names then.

    Costs little where there is nothing to do: it is called after builds.
    """
    if is_cache_within(store, cache):
        return PruneResult()
    with _removing(store, "remove what builds left", dry_run) as trash:
        left = evict(store, cache, trash, dry_run=dry_run)
        if not left.steps and not left.mounts:
            return PruneResult()
        return _after(store, [], (), trash, dry_run=dry_run, left=left)


def _is_wanted(record: ImageRecord) -> bool:
    """Whether somebody pulled it by its digest; what only came along with a file is taken from there again."""
    return bool(record.reference) and not record.reference.startswith("/")


def enforce_limit(
    store: Store, max_size: int, running: Running, *, keep: Iterable[Digest] = (), runtime: str = ""
) -> PruneResult:
    """Remove what builds left, then images, the least recently used first, until the store takes at most ``max_size``
    bytes (0: no limit).

    ``keep`` are spared (the image just pulled), and so is what is in use; ``over`` says what remains too much.
    """
    if max_size <= 0:
        return PruneResult()
    spared, look = set(keep), Look(running, session_of(runtime))
    total = usage(store).total
    result = PruneResult(over=max(0, total - max_size))
    if not result.over:
        return result
    with _removing(store, "keep the store below its limit") as trash:
        removal.resume(store, look)
        result = _joined(result, _after(store, [], (), trash, unfinished=sweep(store.path)))
        found = usage(store)
        if found.total > max_size and found.cache_size:
            rule = CacheRule(max(0, found.cache_size - (found.total - max_size)))
            result = _joined(result, _after(store, [], (), trash, left=evict(store, rule, trash)))
        for record in _by_age(store):
            total = usage(store).total
            if total <= max_size:
                break
            named = names_of(store, record.digest)
            if record.digest not in spared and _try_removal(store, record.digest, look, dry_run=False):
                result = _joined(result, _after(store, named, (record.digest,), trash))
    return msgspec.structs.replace(result, over=max(0, usage(store).total - max_size))


def used_elsewhere(store: Store, runtime: str) -> bool:
    """Whether another node, or another session than that of ``runtime``, may be running something from this store."""
    now, me, session = file_system_time(store.path), current(), session_of(runtime)
    held = (lease for record in own_records(store) for lease in leases.all_of(store.path, record.digest))
    return any(leases.may_be_used(lease, now, me.node, me.boot_id, session) for lease in held)


def _try_removal(store: Store, digest: Digest, look: Look, dry_run: bool) -> bool:
    try:
        if dry_run:
            return removal.is_removable(store, digest, look)
        remove_record(store, digest, look)
        return True
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
    for ref, name in removal.own_names(store):
        if name.digest not in going and store.image_record(name.digest) is None:
            found.append(ref)
            if not dry_run:
                store.remove_name(ref)
    return found


@contextmanager
def _removing(store: Store, doing: str, dry_run: bool = False) -> Iterator[list[str]]:
    """One remover at a time. What goes into the list is deleted at the end, when others may remove again."""
    trash: list[str] = []
    try:
        with reported(doing, store.path):
            if dry_run:
                yield trash
            else:
                with collecting(store.path):
                    yield trash
    finally:
        for place in trash:
            delete_tree(place)


def _after(
    store: Store,
    names: list[Reference],
    images: tuple[Digest, ...],
    trash: list[str],
    *,
    unfinished: int = 0,
    dry_run: bool = False,
    gone: tuple[Reference | Digest, ...] = (),
    left: Cached = Cached(),  # noqa: B008 - frozen
) -> PruneResult:
    """``gone`` are images that a dry run takes for removed before, so that what they alone needed is not told again.
    ``left`` is what of builds goes too."""
    before = frozenset(one for one in gone if isinstance(one, Digest))
    steps = frozenset(step.key for step in left.steps)
    went = remove_unmarked(store, trash, dry_run=dry_run, going=before | frozenset(images), forgotten=steps)
    size = went.bytes + sum(mount.size for mount in left.mounts)
    mounts = tuple(mount.id for mount in left.mounts)
    result = PruneResult(
        size, tuple(names), images, went.layers, went.blobs, went.flat, unfinished, steps=len(steps), mounts=mounts
    )
    if not gone:
        return result
    old = remove_unmarked(store, [], dry_run=True, going=before)
    layers = tuple(layer for layer in went.layers if layer not in old.layers)
    return msgspec.structs.replace(
        result, bytes=went.bytes - old.bytes, layers=layers, blobs=went.blobs - old.blobs, flat=went.flat - old.flat
    )


def _joined(one: PruneResult, two: PruneResult) -> PruneResult:
    return PruneResult(*(getattr(one, field) + getattr(two, field) for field in PruneResult.__struct_fields__))
