"""``rmi`` and ``prune``: what went, and what it freed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.cli.listing import bytes_for_people

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.containers import World
    from wherry.store import PruneResult

__all__ = ["prune", "remove_images"]


def remove_images(given: Given) -> int:
    """Remove each named image or name; print what went, as Docker does."""
    from wherry.cli.main import complain
    from wherry.containers import World

    world, force, status = World(), given.flag("force"), 0
    for text in given.words:
        try:
            _print(_remove(world, text, force=force))
        except NotFound as error:
            if not force:
                status = complain(error)
        except WherryError as error:
            status = complain(error)
    return status


def prune(given: Given) -> int:
    """Ask, unless ``-f`` says yes already, then remove what nothing needs; without an answer nothing goes."""
    from wherry.containers import World
    from wherry.store import prune as prune_store

    world, everything = World(make_store=not given.flag("dry_run")), given.flag("all")
    running = _running(world)
    if given.flag("dry_run"):
        _print(
            prune_store(world.store, running, runtime=world.runtime, everything=everything, dry_run=True),
            "would be freed",
        )
        _clear(world, dry_run=True)
        return 0
    if not given.flag("force"):
        if not sys.stdin.isatty():
            why = "standard input is no terminal to ask on"
            raise UsageError("'prune' asks before it removes", why=why, hint="-f removes unasked, --dry-run shows what")
        would = prune_store(world.store, running, runtime=world.runtime, everything=everything, dry_run=True)
        _print(would, "would be freed")
        left = _clear(world, dry_run=True)
        if not (would.images or would.layers or would.bytes or would.blobs or left) or not _agreed():
            return 0
        gone = prune_store(world.store, running, runtime=world.runtime, everything=everything)
        print(f"{bytes_for_people(gone.bytes)} freed")
        _clear(world)
        return 0
    _print(prune_store(world.store, running, runtime=world.runtime, everything=everything), "freed")
    _clear(world)
    return 0


def _clear(world: World, *, dry_run: bool = False) -> bool:
    """What killed launchers left, and the names that were shown to containers; whether there is any."""
    from wherry.containers import abandoned_scratch, remove_names, remove_scratch, scratch_size, unused_names

    freed = "would be freed" if dry_run else "freed"
    left = abandoned_scratch(world)
    if left:
        size = scratch_size(left)
        count = len(left) if dry_run else remove_scratch(left)
        print(f"scratch of {count} ended containers: {bytes_for_people(size)} {freed}")
    names = unused_names(world)
    if names:
        size = scratch_size(names)
        count = len(names) if dry_run else remove_names(world, names)
        print(f"{count} sets of passwd, hosts and the like that no start uses: {bytes_for_people(size)} {freed}")
    return bool(left or names)


def _remove(world: World, text: str, *, force: bool) -> PruneResult:
    from wherry.cli.naming import held_image, is_digits, reference_of
    from wherry.store import remove_image

    running = _running(world)
    if is_digits(text):
        try:
            return remove_image(world.store, held_image(world, text).digest, running, force, runtime=world.runtime)
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
    return remove_image(world.store, reference, running, force, runtime=world.runtime)


def _running(world: World) -> Callable[[Digest], list[str]]:
    from wherry.containers import running_images

    return lambda digest: running_images(world.runtime).get(str(digest), [])


def _print(result: PruneResult, freed: str = "") -> None:
    for reference in result.names:
        print(f"untagged: {reference.familiar}")
    for digest in result.images:
        print(f"deleted: {digest}")
    for layer in result.layers:
        print(f"deleted: layer {layer[:12]}")
    if freed:
        rest = [
            f"{count} {what}"
            for count, what in (
                (result.blobs, "blobs"),
                (result.flat, "flattened trees"),
                (result.unfinished, "left-overs of interrupted commands"),
            )
            if count
        ]
        print(f"{bytes_for_people(result.bytes)} {freed}" + (f" (also {', '.join(rest)})" if rest else ""))


def _agreed() -> bool:
    print("remove this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
