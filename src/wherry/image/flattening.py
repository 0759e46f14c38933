"""One plain tree of all layers, for machines whose kernel or file system can make no overlay.

Files are hard links to the layers' own, so a flattened tree costs directories only. It is therefore read-only by
agreement: who wants to write makes a private copy.

A *plain* one is for engines under which nothing else keeps programs from writing: its files are copies (which share
their blocks where the file system can), and nothing in it has a write bit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

import msgspec

from wherry.base.errors import StoreError
from wherry.base.progress import Event, Progress, silent
from wherry.image.local import Image
from wherry.image.model import chain_ids
from wherry.image.sharing import FICLONE
from wherry.image.tree import Entry, Tree, view
from wherry.store import MERGED, Layer, LayerMeta, Store

__all__ = ["flatten", "flattened_path", "shallow", "write_out"]


_PLAIN = "-plain"
_CLOSED = 0o1755
"""Nothing in a store can be written by others."""

_MOST_LAYERS = 499
"""The kernel lays 500 over a mount point's own (OVL_MAX_STACK); one of them shows users and hosts."""


def flatten(store: Store, image: Image, progress: Progress = silent, *, plain: bool = False) -> str:
    """The path of the image's flattened tree, made unless it is there; shared by all images with these layers.

    Raises :class:`StoreError` when it cannot be made.
    """
    chain = _name(image, plain)
    while True:
        found = store.flat_path(chain)
        if found is not None:
            return found
        with store.flight(
            f"flat-{chain}", progress, lambda: store.flat_path(chain) is not None, subject=image.reference
        ) as mine:
            if mine:
                return _make(store, image, chain, progress, plain=plain)


def flattened_path(store: Store, image: Image, *, plain: bool = False) -> str:
    """Where :func:`flatten` has the tree or would make it, without making it."""
    chain = _name(image, plain)
    return store.flat_path(chain) or f"{store.path}/flat/{chain}/tree"


def write_out(image: Image, folder: str, progress: Progress = silent) -> None:
    """Make ``folder`` and in it the image's files, as copies of our own; raises :class:`OSError`."""
    progress(Event(image.reference, "flattening"))
    tree = view(image)
    os.mkdir(folder, 0o700)
    _copy(tree, tree.root, folder, plain=False, links=False)


def shallow(store: Store, image: Image, progress: Progress = silent, *, make: bool = True) -> Image:
    """The image with its lowest layers flattened into one, if it has more than the kernel can lay over each other."""
    if len(image.layers) <= _MOST_LAYERS:
        return image
    count = len(image.layers) // MERGED * MERGED
    rootfs = msgspec.structs.replace(image.config.rootfs, diff_ids=image.config.rootfs.diff_ids[:count])
    config = msgspec.structs.replace(image.config, rootfs=rootfs)
    below = msgspec.structs.replace(image, layers=image.layers[:count], config=config)
    tree = flatten(store, below, progress) if make else flattened_path(store, below)
    meta = LayerMeta(
        chain_ids(rootfs.diff_ids)[-1],
        sum(layer.meta.size for layer in below.layers),
        sum(layer.meta.entries for layer in below.layers),
        whiteouts=0,
        overlay=all(layer.meta.overlay for layer in below.layers),
        rebuildable=False,
        closed=True,
        open_folders=tuple(folder for layer in below.layers for folder in layer.meta.open_folders),
    )
    return msgspec.structs.replace(image, layers=(Layer("", tree, "", meta), *image.layers[count:]))


def _name(image: Image, plain: bool) -> str:
    if not image.layers:
        raise StoreError(f"'{image.reference}' has no layers", why="there is nothing to run in it")
    return chain_ids(image.config.rootfs.diff_ids)[-1].hex + (_PLAIN if plain else "")


def _make(store: Store, image: Image, chain: str, progress: Progress, *, plain: bool) -> str:
    progress(Event(image.reference, "flattening"))
    if plain:
        store.require_space(sum(layer.meta.size for layer in image.layers), f"a plain copy of '{image.reference}'")
    work = store.new_work()
    try:
        os.mkdir(f"{work}/tree", 0o700)
        tree = view(image)
        size = _copy(tree, tree.root, f"{work}/tree", plain=plain)
        return store.publish_flat(work, chain, size)
    except OSError as error:
        store.discard(work)
        raise StoreError(f"'{image.reference}' cannot be flattened", why=str(error)) from error
    except BaseException:
        store.discard(work)
        raise


def _copy(tree: Tree, directory: Entry, target: str, *, plain: bool, links: bool = True) -> int:
    """Make a directory's content; return the bytes that had to be copied. Images may be deeper than calls can nest."""
    copied = 0
    pending = [(directory, target, False)]
    while pending:
        directory, target, full = pending.pop()
        if full:
            _describe(directory, target)
            if plain:
                os.chmod(target, stat.S_IMODE(directory.mode) & 0o1555 | 0o500)
            continue
        pending.append((directory, target, True))
        for entry in tree.entries(directory):
            place = f"{target}/{entry.path.rpartition('/')[2]}"
            if entry.is_dir:
                os.mkdir(place, 0o700)
                pending.append((entry, place, False))
            elif plain and entry.is_file and entry.mode & 0o700 == 0:
                os.link(entry.real, place)  # not even we may read it, and it has no write bit
            elif plain:
                copied += _put(entry, place)
                if entry.is_file:
                    os.chmod(place, stat.S_IMODE(entry.mode) & 0o555)
            else:
                copied += _link(entry, place) if links else _put(entry, place)
    return copied


def _link(entry: Entry, place: str) -> int:
    try:
        os.link(entry.real, place, follow_symlinks=False)
        return 0
    except OSError:
        # A site's store on another file system, a file of somebody else's, too many links: a copy has the same content.
        return _put(entry, place)


def _put(entry: Entry, place: str) -> int:
    if stat.S_ISFIFO(entry.mode):
        os.mkfifo(place, stat.S_IMODE(entry.mode) & _CLOSED)
    elif stat.S_ISLNK(entry.mode):
        os.symlink(entry.target, place)
    elif entry.is_file:
        _clone(entry, place)
    else:
        return 0  # no layer's tree holds devices and sockets
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
    return entry.size


def _clone(entry: Entry, place: str) -> None:
    """The same blocks where the file system shares them (ioctl_ficlone(2)), else a copy."""
    with open(entry.real, "rb", buffering=0) as source, open(place, "xb", buffering=0) as target:
        try:
            fcntl.ioctl(target, FICLONE, source.fileno())
        except OSError:
            while os.sendfile(target.fileno(), source.fileno(), None, 1 << 30):
                continue
        os.fchmod(target.fileno(), stat.S_IMODE(entry.mode) & _CLOSED & 0o777)


def _describe(directory: Entry, place: str) -> None:
    with contextlib.suppress(OSError):  # file systems without attributes, the image's own or ours
        for name in os.listxattr(directory.real):
            if name.startswith("user.") and not name.startswith("user.overlay."):
                os.setxattr(place, name, os.getxattr(directory.real, name))
    os.chmod(place, stat.S_IMODE(directory.mode) & _CLOSED)
    os.utime(place, ns=(directory.mtime_ns, directory.mtime_ns))
