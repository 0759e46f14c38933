"""The files of a kept container that does not run: its image's layers below its own writable one.

Reading looks at the merged view. Writing goes into the writable layer, in the overlay's form: a directory that hides a
removed one is made opaque (https://docs.kernel.org/filesystems/overlayfs.html, "whiteouts and opaque directories").
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import IO

import msgspec

from wherry.base.errors import Conflict, HostLacks, NotFound, WherryError, reason, remedy
from wherry.containers.kept import Container
from wherry.containers.resolving import image_of
from wherry.containers.transfer import AS_IT_IS, Entry, Item, check_kind, check_parts, copied_name, stays, take
from wherry.containers.trees import remove_tree
from wherry.containers.world import World
from wherry.image import Entry as Node
from wherry.image import Tree

__all__ = ["kind_in", "merged_view", "read_stopped", "upper_of", "write_stopped"]

_OPAQUE = "user.overlay.opaque"
_CHUNK = 1 << 20


def upper_of(world: World, container: Container) -> str:
    """The container's writable layer on this node, empty when there is none yet."""
    for parent in world.kept_parents:
        if os.path.isdir(f"{parent}/{container.id}/upper"):
            return f"{parent}/{container.id}/upper"
    return ""


def merged_view(world: World, container: Container) -> Tree:
    """What the container would see of its root; raises :class:`NotFound` when a layer of its image is gone."""
    if container.image.endswith("/"):
        return Tree.of(image_of(world, container).layers, upper_of(world, container))
    layers = []
    for key in container.layers:
        layer = world.store.find_layer(key)
        if layer is None:
            raise NotFound(
                f"the image of container '{container.name or container.id[:12]}' is gone", hint="pull it again"
            )
        layers.append(layer)
    return Tree.of(layers, upper_of(world, container))


def read_stopped(world: World, container: Container, path: str) -> Iterator[Entry]:
    """As :func:`~wherry.containers.transfer.read_tree`, in the container's view."""
    view = merged_view(world, container)
    name = copied_name(path)
    follow = not name or path.endswith("/")
    absolute = "/" + path.strip("/")
    node = view.stat(absolute, follow=follow)
    if node is None:
        name = container.name or container.id[:12]
        raise NotFound(f"there is no '{path}' in container '{name}'", hint="check the spelling; paths begin at its '/'")
    check_kind(path, node.mode)
    yield from _walk(view, node, (), name)


def kind_in(view: Tree) -> Callable[[str], str]:
    """What is at a path of a view, for :func:`~wherry.containers.transfer.take`."""

    def kind_of(asked: str) -> str:
        found = view.stat("/" + asked.strip("/"))
        return "" if found is None else ("dir" if found.is_dir else "file")

    return kind_of


def write_stopped(world: World, container: Container, entries: Iterator[Entry], path: str) -> None:
    """As :func:`~wherry.containers.transfer.write_tree`, into the container's writable layer.

    Raises :class:`HostLacks` where there can be none.
    """
    view = merged_view(world, container)
    upper = upper_of(world, container)
    if not (world.host.overlay or world.host.fuse_overlayfs):
        raise HostLacks(
            "cannot copy into a container that does not run",
            why="there is no overlayfs for users here, so it has no writable layer but /tmp and its home",
            hint="start it, and copy then",
        )
    if not upper:
        folder = f"{world.kept_parents[0]}/{container.id}"
        upper = f"{folder}/upper"
        os.makedirs(folder, 0o700, exist_ok=True)
        os.mkdir(upper, 0o755)
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{folder}/work", 0o700)

    target, whole = take(entries, "/" + path.lstrip("/"), kind_in(view))
    parent = view.resolve(os.path.dirname(target.rstrip("/")) or "/")
    base = (parent.rstrip("/") + "/" + os.path.basename(target.rstrip("/"))).rstrip("/")
    if target in ("/", "/."):
        base = ""
    existing = view.stat(base or "/", follow=True)
    if existing is not None and existing.is_dir:
        base = existing.path.rstrip("/")
    new = existing is None and not os.path.lexists(f"{upper}{base}")
    try:
        for item, content in whole:
            check_parts(item.path)
            if item.kind == "hard":  # its target is a file that was put here before
                check_parts(tuple(item.target.split("/")))
                item = msgspec.structs.replace(item, target=f"{upper}{base}/{item.target}")
            _put(view, upper, base + "".join(f"/{part}" for part in item.path), item, content)
    except BaseException as error:
        if new:
            with contextlib.suppress(OSError):
                remove_tree(f"{upper}{base}")
        if isinstance(error, OSError):
            error = WherryError(f"cannot copy to '{path}'", why=reason(error))
        if isinstance(error, WherryError) and not new:
            raise stays(error, path) from None
        raise error from None


def _walk(view: Tree, node: Node, parts: tuple[str, ...], name: str) -> Iterator[Entry]:
    mode = stat.S_IMODE(node.mode) & 0o1777
    if stat.S_ISLNK(node.mode):
        yield Item(parts, "link", 0o777, node.mtime_ns, 0, node.target, name), iter(())
    elif node.is_file:
        with _opened(node) as file:
            size = os.fstat(file.fileno()).st_size
            yield Item(parts, "file", mode, node.mtime_ns, size, "", name), iter(lambda: file.read(_CHUNK), b"")
    elif node.is_dir:
        yield Item(parts, "dir", mode, node.mtime_ns, 0, "", name), iter(())
        for child in view.entries(node):
            yield from _walk(view, child, (*parts, child.path.rpartition("/")[2]), "")


def _opened(node: Node) -> IO[bytes]:
    try:
        try:
            return open(node.real, "rb", buffering=0)
        except PermissionError:  # the program took the right to read from its own file; where it runs, its root has it
            mode = stat.S_IMODE(os.lstat(node.real).st_mode)
            os.chmod(node.real, mode | 0o400)
            try:
                return open(node.real, "rb", buffering=0)
            finally:
                os.chmod(node.real, mode)
    except OSError as error:
        raise WherryError(f"cannot copy '{node.path}'", why=reason(error), hint=remedy(error)) from None


def _put(view: Tree, upper: str, path: str, item: Item, content: Iterator[bytes]) -> None:
    _copy_up(view, upper, os.path.dirname(path))
    real = f"{upper}{path}"
    there = _kind_there(view, real, path)
    if item.kind == "dir":
        if there == "other":
            raise Conflict(f"cannot copy a directory to '{path}'", why="it is not a directory")
        if there:
            _copy_up(view, upper, path)
            return
        hidden = _remove(real)
        os.mkdir(real, 0o755 if item.mode == AS_IT_IS else item.mode | 0o700)
        if hidden:
            os.setxattr(real, _OPAQUE, b"y")
        return
    if there == "dir":
        raise Conflict(f"cannot copy over '{path}'", why="it is a directory")
    if item.kind == "hard":
        _remove(real)
        os.link(item.target, real, follow_symlinks=False)
        return
    _remove(real)
    if item.kind == "link":
        os.symlink(item.target, real)
    else:
        with open(real, "xb", buffering=0) as file:
            for chunk in content:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) :]
            os.fchmod(file.fileno(), item.mode)
    os.utime(real, ns=(item.mtime_ns, item.mtime_ns), follow_symlinks=False)


def _kind_there(view: Tree, real: str, path: str) -> str:
    """``dir``, ``other`` or nothing; the writable layer is asked first, since the view knows not what we put there."""
    try:
        found = os.lstat(real)
    except FileNotFoundError:
        there = view.stat(path or "/", follow=False)
        return "" if there is None else "dir" if there.is_dir else "other"
    if _is_whiteout(found):
        return ""
    return "dir" if stat.S_ISDIR(found.st_mode) else "other"


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _copy_up(view: Tree, upper: str, path: str) -> None:
    """Make the directory ``path`` of the view in the writable layer too, with its parents and their modes."""
    real = upper
    inside = ""
    for part in path.split("/"):
        if not part:
            continue
        inside += f"/{part}"
        real += f"/{part}"
        if os.path.isdir(real) and not os.path.islink(real):
            continue
        found = view.stat(inside, follow=False)
        os.mkdir(real, 0o755)
        os.chmod(real, stat.S_IMODE(found.mode) | 0o700 if found is not None else 0o755)


def _remove(real: str) -> bool:
    """Remove what the writable layer has there; True when it was a mark that something below is removed."""
    try:
        found = os.lstat(real)
    except FileNotFoundError:
        return False
    remove_tree(real)
    return _is_whiteout(found)
