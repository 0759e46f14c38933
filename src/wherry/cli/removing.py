"""``rmi`` and ``prune``: what went, and what it freed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.cli.listing import bytes_for_people

if TYPE_CHECKING:
    from wherry.containers import Change
    from wherry.store import PruneResult

__all__ = ["prune", "remove_images"]


def remove_images(given: Given) -> int:
    """Remove each named image or name; print what went, as Docker does."""
    from wherry import containers
    from wherry.cli.main import complain

    force, status = given.flag("force"), 0
    if given.flag("dry_run"):
        return _foresee_removals(given)
    world = containers.World()
    for text in given.words:
        try:
            _print(containers.rmi(text, force=force, world=world))
        except NotFound as error:
            if not force:
                status = complain(error)
        except WherryError as error:
            status = complain(error)
    return status


def _foresee_removals(given: Given) -> int:
    from wherry.cli.foreseeing import foresee_each
    from wherry.containers import Removals

    removals = Removals(force=given.flag("force"))

    def plan(name: str) -> tuple[Change, ...]:
        try:
            return removals.plan(name)
        except NotFound:
            if given.flag("force"):
                return ()
            raise

    return foresee_each(given.words, plan, given.text("format"))


def prune(given: Given) -> int:
    """Ask, unless ``-f`` says yes already, then remove what nothing needs; without an answer nothing goes."""
    from wherry import containers
    from wherry.cli.foreseeing import show_changes

    everything = given.flag("all")
    builds = everything or given.flag("build")
    if given.flag("dry_run"):
        show_changes(list(containers.plan_prune(everything=everything, builds=builds)), given.text("format"))
        return 0
    world, asks = containers.World(), not given.flag("force")
    if asks:
        if not sys.stdin.isatty():
            why = "standard input is no terminal to ask on"
            raise UsageError("'prune' asks before it removes", why=why, hint="-f removes unasked, --dry-run shows what")
        would = containers.plan_prune(everything=everything, builds=builds, world=world)
        show_changes(list(would), None)
        if not would or not _agreed():
            return 0
    gone = containers.prune(everything=everything, builds=builds, world=world)
    if not asks:
        _print(gone.store)
    rest = [
        f"{count} {what}"
        for count, what in (
            (gone.store.blobs, "blobs"),
            (gone.store.flat, "flattened trees"),
            (gone.store.steps, "steps of builds"),
            (len(gone.store.mounts), "cache mounts of builds"),
            (gone.store.unfinished, "left-overs of interrupted commands"),
            (gone.scratch, "scratch folders of ended containers"),
            (gone.shown, "sets of passwd, hosts and the like"),
            (gone.records, "files of old records"),
        )
        if count
    ]
    print(f"{bytes_for_people(gone.bytes)} freed" + (f" (also {', '.join(rest)})" if rest else ""))
    return 0


def _print(result: PruneResult) -> None:
    for reference in result.names:
        print(f"untagged: {reference.familiar}")
    for digest in result.images:
        print(f"deleted: {digest}")
    for layer in result.layers:
        print(f"deleted: layer {layer[:12]}")


def _agreed() -> bool:
    print("remove this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
