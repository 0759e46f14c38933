"""COPY and ADD: files from a context, from what another step made, from the net, or from the recipe itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.build.cache import step_key
from wherry.build.graph import CopyStep, Files
from wherry.build.made import Made
from wherry.build.site import Site
from wherry.build.steps.layer import found_or_made
from wherry.build.who import ids_of

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.build.context import Selection

__all__ = ["copy_files", "selected"]


def copy_files(site: Site, place: int, step: CopyStep, done: dict[int, Made]) -> Made:
    """Raises :class:`NotFound` for a source that is not there, and what fetching raises."""
    from wherry.build.context import digest

    parent = done[step.parent]
    with _work(site, step) as work:
        selections = [selected(site, files, step, done, work) for files in step.sources]
        inputs: tuple[Digest, ...] = tuple(digest(each, site.world.store.path) for each in selections)
        below = site.below(parent.layers).view
        owner = ids_of(step.owner, below, same_group=True) if step.owner else None
        key = step_key(step, parent.diff_ids, inputs, site.meaning)

        def fill(folder: str) -> None:
            from wherry.build.context import copy_into

            upper = f"{folder}/upper"
            os.mkdir(upper, 0o755)
            for selection in selections:
                for note in selection.notes:
                    site.note(f"{site.here.recipe}:{step.origin.position.line}: {note}")
                copy_into(upper, below, selection, step, owner=owner, mtime=site.here.epoch)

        return found_or_made(site, place, key, parent, fill)


@contextmanager
def _work(site: Site, step: CopyStep) -> Iterator[str]:
    """A folder for what has to be fetched, until it is copied; empty where nothing has."""
    if all(files.kind in ("context", "step") for files in step.sources):
        yield ""
        return
    work = site.world.store.new_work()
    try:
        yield work
    finally:
        site.world.store.discard(work)


def selected(site: Site, files: Files, step: CopyStep, done: dict[int, Made], work: str) -> Selection:
    """What ``files`` means, fetched when it has to be."""
    from wherry.build import context

    if files.kind == "step":
        root = context.layers_root(site.world.store, done[files.step].layers)
        return context.select(root, files.paths, exclude=step.exclude, parents=step.parents)
    if files.kind == "inline":
        return context.inline(files.name, files.content, work)
    if files.kind == "url":
        known = site.world.store.path if site.here.use_cache else ""
        return context.downloaded(files.name, step.checksum, work, unpack=bool(step.unpack), known=known)
    if files.kind == "git":
        return context.cloned(files.name, work, keep_git_dir=step.keep_git_dir, checksum=step.checksum)
    found, ignore = site.sources(files.name)
    return context.select(
        found.root,
        files.paths,
        ignore=ignore,
        exclude=step.exclude,
        parents=step.parents,
        unpack=step.unpack is not False,
        seen=found.seen,
    )
