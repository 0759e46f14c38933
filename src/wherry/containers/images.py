"""What is done to images that are held: naming, removing and pushing them, each with its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound
from wherry.base.progress import Progress, silent
from wherry.containers.changes import Change
from wherry.containers.naming import held_image, is_digits, is_file, reference_of, reference_to_name, stored_image
from wherry.containers.world import World
from wherry.store import PruneResult

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.base.reference import Reference
    from wherry.store import CacheRule, Name

__all__ = [
    "Pruned",
    "Removals",
    "chosen_auth_file",
    "moved",
    "plan_prune",
    "plan_push",
    "plan_tag",
    "prune",
    "push",
    "push_as",
    "rmi",
    "tag",
]


def tag(source: str, target: str, *, world: World | None = None) -> None:
    """Let ``target`` lead to what ``source`` is; the index that it was chosen from is remembered with it."""
    world = world or World()
    reference, name = _name_for(world, source, target)
    world.store.set_name(reference, name)


def plan_tag(source: str, target: str, *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`tag` would do; a name that leads to another image now is taken from that."""
    world = world or World()
    reference, name = _name_for(world, source, target)
    return tuple(moved(world, reference, source, name.digest))


def rmi(name: str, *, force: bool = False, world: World | None = None) -> PruneResult:
    """Remove a name and, with its last one, the image; a digest means the image. Raises as ``store.remove_image``."""
    from wherry.store import remove_image

    world = world or World()
    return remove_image(world.store, _removable(world, name), _running(world), force, runtime=world.runtime)


class Removals:
    """The plan of removing several images in turn: each is looked at as if those before were gone."""

    def __init__(self, world: World | None = None, *, force: bool = False) -> None:
        self._world = world or World(make_store=False)
        self._force = force
        self._gone: tuple[Reference | Digest, ...] = ()

    def plan(self, name: str) -> tuple[Change, ...]:
        """What :func:`rmi` would do next; raises what that would raise."""
        from wherry.store import remove_image

        world = self._world
        result = remove_image(
            world.store,
            _removable(world, name),
            _running(world),
            self._force,
            runtime=world.runtime,
            dry_run=True,
            gone=self._gone,
        )
        self._gone = (*self._gone, *result.names, *result.images)
        return tuple(_removed(world, result))


class Pruned(msgspec.Struct, frozen=True):
    """What :func:`prune` removed: of the store, how many scratch folders of ended containers, how many sets of
    ``passwd``, ``hosts`` and the like, how many days of records (``record.keep_days``); and the bytes of all."""

    store: PruneResult
    scratch: int
    shown: int
    records: int
    bytes: int


def prune(*, everything: bool = False, builds: bool = False, world: World | None = None) -> Pruned:
    """Remove what nothing needs; with ``builds`` all that builds left, else what of it is over its limits."""
    from wherry.containers.abandoned import abandoned_scratch, remove_left_work, remove_scratch, scratch_size
    from wherry.containers.records import old_records, remove_records
    from wherry.containers.unmounting import left_mounts, remove_mounts
    from wherry.containers.unused import remove_names, unused_names
    from wherry.store import prune as prune_store

    world = world or World()
    remove_mounts(left_mounts(world))
    result = prune_store(
        world.store, _running(world), runtime=world.runtime, everything=everything, cache=_left(world, builds)
    )
    remove_left_work(world)
    scratch, shown = abandoned_scratch(world), unused_names(world)
    records = old_records(world.state, world.settings.number("record.keep_days"))
    size = result.bytes + scratch_size((*scratch, *shown, *records))
    return Pruned(result, remove_scratch(scratch), remove_names(world, shown), remove_records(records), size)


def plan_prune(*, everything: bool = False, builds: bool = False, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`prune` would remove."""
    from wherry.containers.abandoned import abandoned_scratch, scratch_size
    from wherry.containers.records import old_records
    from wherry.containers.unmounting import left_mounts
    from wherry.containers.unused import unused_names
    from wherry.store import prune as prune_store

    world = world or World(make_store=False)
    result = prune_store(
        world.store,
        _running(world),
        runtime=world.runtime,
        everything=everything,
        cache=_left(world, builds),
        dry_run=True,
    )
    records = old_records(world.state, world.settings.number("record.keep_days"))
    kinds = (
        ("scratch", abandoned_scratch(world)),
        ("names", unused_names(world)),
        ("records", records),
        ("mounts", left_mounts(world)),
    )
    left = (Change("remove", kind, path, bytes=scratch_size((path,))) for kind, paths in kinds for path in paths)
    return (*_removed(world, result), *left)


def push(
    name: str,
    *,
    auth_file: str = "",
    compression: str = "",
    progress: Progress = silent,
    world: World | None = None,
) -> tuple[Reference, Digest]:
    """Send an image to the registry of its name; what it is called there, and its digest there. With ``compression``
    (``gzip``, ``zstd``) layers that were made or loaded uncompressed go compressed."""
    from wherry.image import push as push_image
    from wherry.registry import connect

    world = world or World()
    reference = reference_to_name(world, name)
    auth_file = chosen_auth_file(world, auth_file)
    with connect(world.settings, world.outside, auth_file=auth_file, progress=progress) as registry:
        return reference, push_image(world.store, registry, reference, compression=compression, progress=progress)


def push_as(
    name: str,
    target: str,
    *,
    auth_file: str = "",
    compression: str = "",
    progress: Progress = silent,
    world: World | None = None,
) -> tuple[Reference, Digest]:
    """Send an image, or one in a file, to a registry under another name than its own."""
    from wherry.image import push as push_image
    from wherry.registry import connect

    world = world or World()
    reference, image = reference_to_name(world, target), stored_image(world, name, progress)
    auth_file = chosen_auth_file(world, auth_file)
    with connect(world.settings, world.outside, auth_file=auth_file, progress=progress) as registry:
        digest = push_image(world.store, registry, reference, image=image, compression=compression, progress=progress)
        return reference, digest


def plan_push(name: str, target: str = "", *, auth_file: str = "", world: World | None = None) -> tuple[Change, ...]:
    """What :func:`push` would send, or :func:`push_as` with a ``target``; the registry is asked what it has."""
    from wherry.image import preview_push
    from wherry.registry import connect

    world = world or World(make_store=False)
    reference = reference_to_name(world, target or name)
    image = stored_image(world, name) if target else None
    with connect(world.settings, world.outside, auth_file=chosen_auth_file(world, auth_file)) as registry:
        digest, parts = preview_push(world.store, registry, reference, image=image)
    to = f"{reference.registry}/{reference.repository}"
    sent = (Change("send", "blob", part.short, to, str(part), size) for part, size, is_there in parts if not is_there)
    return (*sent, Change("push", "image", reference.familiar, to, str(digest)))


def chosen_auth_file(world: World, auth_file: str) -> str:
    """The file that ``--authfile`` names; raise :class:`SettingsError` where the site has locked another."""
    if auth_file:
        world.settings.with_flag("registry.auth_file", auth_file, "--authfile")
    return auth_file


def _name_for(world: World, source: str, target: str) -> tuple[Reference, Name]:
    from wherry.store import Name

    image = stored_image(world, source)
    name = None
    if not is_digits(source) and not is_file(world, source):
        name = world.store.name(reference_of(world, source))
    if name is None or name.digest != image.digest:
        platform = "/".join(part for part in (image.config.os, image.config.architecture, image.config.variant) if part)
        name = Name(image.digest, None, platform)
    if world.store.image_record(name.digest) is None:
        raise NotFound(f"the image '{source}' is not complete here", hint=f"wherry pull {source}")
    return reference_to_name(world, target), name


def moved(world: World, reference: Reference, source: str, digest: Digest) -> list[Change]:
    """What it takes to let ``reference`` lead to ``digest``."""
    before = world.store.name(reference)
    if before is not None and before.digest == digest:
        return []
    untag = [Change("untag", "image", before.digest.short, reference.familiar, str(before.digest))] if before else []
    return [*untag, Change("tag", "image", source, reference.familiar, str(digest))]


def _removable(world: World, text: str) -> Reference | Digest:
    """What ``text`` names, for a removal: a digest removes the image with all its names."""
    if is_digits(text):
        try:
            return held_image(world, text).digest
        except NotFound:
            if text.startswith("sha256:"):
                raise
    reference = reference_of(world, text)
    if reference.digest is None and world.store.name(reference) is None:
        try:
            held_image(world, text)  # says which names are near
        except NotFound as error:
            if (error.hint or "").startswith("wherry pull"):  # nobody pulls what is to go
                raise NotFound(error.what, why=error.why, hint="'wherry images' lists what is here") from None
            raise
    return reference


def _left(world: World, builds: bool) -> CacheRule:
    from wherry.containers.buildcache import cache_rule
    from wherry.store import CacheRule

    return CacheRule(limit=0) if builds else cache_rule(world)


def _running(world: World) -> Callable[[Digest], list[str]]:
    from wherry.containers.running import running_images

    return lambda digest: running_images(world.runtime).get(str(digest), [])


def _removed(world: World, result: PruneResult) -> list[Change]:
    """What a removal takes from the store, as changes; what it frees comes last."""
    found = [Change("untag", "name", reference.familiar) for reference in result.names]
    found += [Change("remove", "image", digest.short, digest=str(digest)) for digest in result.images]
    for key in result.layers:
        layer = world.store.find_layer(key)
        digest, size = (str(layer.meta.diff_id), layer.meta.size) if layer else ("", None)
        found.append(Change("remove", "layer", key[:12], "", digest, size))
    found += [Change("remove", "cache mount", name) for name in result.mounts]
    counts = (("blobs", result.blobs), ("flattened trees", result.flat), ("steps of builds", result.steps))
    found += [Change("remove", kind, str(count)) for kind, count in counts if count]
    if result.bytes:
        found.append(Change("free", "store", world.store.path, bytes=result.bytes))
    return found
