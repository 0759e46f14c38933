"""``RUN --mount=type=bind`` and ``from=``: a directory of this machine with what a mount shows, and its digest."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from wherry.base.errors import ImageError, NotFound
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
    """A file or directory that can be bound. What the command may write to (under proot, all) is a copy, which goes
    with ``work``; so is a context of which an ignore file takes something away.

    Raises :class:`NotFound` where there is nothing at its path.
    """
    assert mount.files is not None
    files = mount.files
    path = posixpath.normpath(f"/{files.paths[0].strip('/')}")
    if files.kind == "step":
        found, whole = _of_step(site, done[files.step], path), True
    else:
        found, whole = _of_context(site, files.name, path), not site.sources(files.name)[1]
    if mount.read_only and whole and site.drafts is None:
        return found
    place = f"{work}/bound-{len(os.listdir(work))}"
    _write(_selection(site, files, done), place)
    return place


def _selection(site: Site, files: Files, done: dict[int, Made]) -> Selection:
    from wherry.build import context

    if files.kind == "step":
        return context.select(context.layers_root(site.world.store, done[files.step].layers), files.paths)
    found, ignore = site.sources(files.name)
    return context.select(found.root, files.paths, ignore=ignore, seen=found.seen)


def _write(selection: Selection, place: str) -> None:
    """The selection as files of ours at ``place``; devices and pipes are left out."""
    from wherry.build.context import copy_content

    root = selection.root
    for pick in selection.picks:
        for rel, node in pick.entries:
            target = f"{place}/{rel}" if rel else place
            if node.is_dir:
                os.mkdir(target)
            elif node.is_link:
                os.symlink(node.target, target)
            elif node.is_file:
                with open(root.open(node), "rb") as source, open(target, "xb") as file:
                    copy_content(source.fileno(), file.fileno(), os.fstat(source.fileno()))
                    os.fchmod(file.fileno(), node.mode & 0o755 | 0o600)


def _of_step(site: Site, made: Made, path: str) -> str:
    """Where the files lie in one layer, that directory; else all layers are laid over each other once.

    No part of what is given back is a symbolic link: those of the stage lead inside of it, and would lead elsewhere
    where the directory lies.
    """
    tree = Tree.of(made.layers)
    entry = tree.stat(path)
    if entry is None:
        raise NotFound(f"there is no '{path}' in what the stage made", hint="from= names the stage, source= the path")
    real = tree.resolve(path).rstrip("/")
    if real and (not entry.is_dir or len(entry.folders) == 1):
        layer = next(layer for layer in made.layers if entry.real.startswith(f"{layer.tree}/"))
        return _inside(layer.tree, entry.real[len(layer.tree) :])
    from wherry.build.steps.starting import as_image
    from wherry.image import flatten

    return _inside(flatten(site.world.store, as_image(made, "stage", "")), real)


def _inside(tree: str, path: str) -> str:
    """``path`` below ``tree``; raises :class:`ImageError` if a symbolic link on its way would be followed here."""
    if os.path.realpath(f"{tree}{path}") != f"{os.path.realpath(tree)}{path}":
        raise ImageError(f"'{path}' of the stage cannot be shown", why="a symbolic link is on its way")
    return f"{tree}{path}"


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
