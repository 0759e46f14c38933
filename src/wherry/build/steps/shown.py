"""``RUN --mount=type=bind`` and ``from=``: a directory of this machine with what a mount shows, and its digest."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound
from wherry.build.graph import Files, MountFrom
from wherry.build.made import Made
from wherry.build.site import Site
from wherry.image import Tree

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.build.context import Selection

__all__ = ["digest_of_mount", "directory_of_mount"]


def digest_of_mount(site: Site, mount: MountFrom, done: dict[int, Made]) -> Digest:
    """Of the names and contents below what the mount shows."""
    from wherry.build.context import digest

    assert mount.files is not None
    return digest(_selection(site, mount.files, done), site.world.store.path)


def directory_of_mount(site: Site, mount: MountFrom, done: dict[int, Made], work: str) -> str:
    """A file or directory that can be bound. What the command may write to is a copy, which goes with ``work``.

    Raises :class:`NotFound` where there is nothing at its path.
    """
    assert mount.files is not None
    files = mount.files
    path = "/" + files.paths[0].strip("/")
    is_step = files.kind == "step"
    found = _of_step(site, done[files.step], path) if is_step else _of_context(site, files.name, path)
    if mount.read_only:
        return found
    copy = f"{work}/bound-{len(os.listdir(work))}"
    if os.path.isdir(found):
        shutil.copytree(found, copy, symlinks=True)
    else:
        shutil.copy2(found, copy)
    return copy


def _selection(site: Site, files: Files, done: dict[int, Made]) -> Selection:
    from wherry.build import context

    if files.kind == "step":
        return context.select(Tree.of(done[files.step].layers), files.paths)
    found, ignore = site.sources(files.name)
    return context.select(found.root, files.paths, ignore=ignore)


def _of_step(site: Site, made: Made, path: str) -> str:
    """Where the files lie in one layer, that directory; else all layers are laid over each other once."""
    entry = Tree.of(made.layers).stat(path)
    if entry is None:
        raise NotFound(f"there is no '{path}' in what the stage made", hint="from= names the stage, source= the path")
    if path != "/" and (not entry.is_dir or (len(entry.folders) == 1)):
        return entry.real
    from wherry.build.steps.starting import as_image
    from wherry.image import flatten

    tree = flatten(site.world.store, as_image(made, "stage", ""))
    return f"{tree}{path}".rstrip("/")


def _of_context(site: Site, name: str, path: str) -> str:
    """Below the context's root; symbolic links do not lead out of it."""
    context, _ = site.sources(name)
    root = os.path.realpath(context.root)
    found = os.path.realpath(f"{root}{path}")
    if (found == root or found.startswith(f"{root}/")) and os.path.exists(found):
        return found
    raise NotFound(
        f"there is no '{path.lstrip('/')}' in the build context",
        why="a symbolic link leads out of it" if os.path.lexists(f"{root}{path}") else "",
        hint="it is taken below the context's root",
    )
