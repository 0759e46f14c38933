"""One plain tree of all layers, for machines whose kernel or file system can make no overlay.

Files are hard links to the layers' own, so a flattened tree costs directories only. It is therefore read-only by
agreement: who wants to write makes a private copy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat

from wherry.base.errors import StoreError
from wherry.base.progress import Event, Progress, silent
from wherry.image.local import Image
from wherry.image.model import chain_ids
from wherry.image.tree import Entry, Tree, view
from wherry.store import Store

__all__ = ["flatten"]


def flatten(store: Store, image: Image, progress: Progress = silent) -> str:
    """The path of the image's flattened tree, made unless it is there; shared by all images with these layers.

    Raises :class:`StoreError` when it cannot be made.
    """
    if not image.layers:
        raise StoreError(f"'{image.reference}' has no layers", why="there is nothing to run in it")
    chain = chain_ids(image.config.rootfs.diff_ids)[-1]
    while True:
        found = store.flat_path(chain)
        if found is not None:
            return found
        with store.flight(f"flat-{chain.hex}", progress, lambda: store.flat_path(chain) is not None) as mine:
            if mine:
                return _make(store, image, chain.hex, progress)


def _make(store: Store, image: Image, chain: str, progress: Progress) -> str:
    progress(Event(image.reference, "flattening"))
    work = store.new_work()
    try:
        os.mkdir(f"{work}/tree", 0o700)
        tree = view(image)
        size = _copy(tree, tree.root, f"{work}/tree")
        return store.publish_flat(work, chain, size)
    except OSError as error:
        store.discard(work)
        raise StoreError(f"'{image.reference}' cannot be flattened", why=str(error)) from error
    except BaseException:
        store.discard(work)
        raise


def _copy(tree: Tree, directory: Entry, target: str) -> int:
    """Make a directory's content; return the bytes that had to be copied."""
    copied = 0
    for entry in tree.entries(directory):
        place = f"{target}/{entry.path.rpartition('/')[2]}"
        if entry.is_dir:
            os.mkdir(place, 0o700)
            copied += _copy(tree, entry, place)
        else:
            copied += _link(entry, place)
    _describe(directory, target)
    return copied


def _link(entry: Entry, place: str) -> int:
    try:
        os.link(entry.real, place, follow_symlinks=False)
        return 0
    except OSError:
        # A site's store on another file system, a file of somebody else's, too many links: a copy has the same content.
        pass
    if stat.S_ISFIFO(entry.mode):
        os.mkfifo(place, stat.S_IMODE(entry.mode))
    else:
        shutil.copy2(entry.real, place, follow_symlinks=False)
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
    return entry.size


def _describe(directory: Entry, place: str) -> None:
    for name in os.listxattr(directory.real):
        if name.startswith("user.") and not name.startswith("user.overlay."):
            with contextlib.suppress(OSError):  # a file system without attributes
                os.setxattr(place, name, os.getxattr(directory.real, name))
    os.chmod(place, stat.S_IMODE(directory.mode) & 0o1777)
    os.utime(place, ns=(directory.mtime_ns, directory.mtime_ns))
