"""The names layer: a small layer on top of the image's own, with what differs from user to user and host to host.

It holds ``passwd``, ``group``, ``hosts``, ``resolv.conf`` and ``localtime``, empty directories that the image
lacks (the private home, volumes, places for mounts), and those that everybody may write, such as ``/tmp``, with the
mode that the store does not give them. A layer instead of binds, because files in it can be replaced like
the image's own (``useradd``, ``apt``), nothing has to be made in the writable layer for them, and a start makes five
mounts fewer. It is named by its content and shared by all containers that show the same.
"""

from __future__ import annotations

import posixpath

from wherry.base.digest import Digest
from wherry.launch.identity import Person
from wherry.launch.options import RunOptions
from wherry.launch.plan import Kept, Paths, PlanFile
from wherry.launch.surroundings import Surroundings
from wherry.launch.views import Image, Tree

__all__ = ["NamesLayer", "names_layer"]

_PLACES = ("/dev", "/proc", "/sys")
_USUAL_PARENTS = ("/home", "/media", "/mnt", "/opt", "/run", "/srv")
"""Where people's directories lie; what ``--here`` binds is not known when the layer is made."""


class NamesLayer:
    """``tree`` is the layer's directory, ``shown`` maps a path inside to the host's file, ``files`` is all of it."""

    __slots__ = ("files", "shown", "tree")

    def __init__(self, tree: str, shown: dict[str, str], files: tuple[PlanFile, ...]) -> None:
        self.tree = tree
        self.shown = shown
        self.files = files


def names_layer(
    options: RunOptions,
    image: Image,
    tree: Tree,
    person: Person,
    surroundings: Surroundings,
    paths: Paths,
    *,
    isolated_network: bool,
    kept: Kept | None = None,
) -> NamesLayer:
    """What the layer holds for this start; nothing is written yet."""
    contents = _contents(options, person, surroundings, isolated_network=isolated_network)
    contents |= {path: b"" for path in map(_target, options.place_files) if not tree.exists(path)}
    inside = {f"{_resolved(tree, posixpath.dirname(path))}/{posixpath.basename(path)}": path for path in contents}
    folders = _folders(options, image, tree, person, surroundings)
    for path in (*inside, *folders):
        parent = posixpath.dirname(path)
        while parent != "/" and parent not in folders:
            folders = {**folders, parent: _mode(tree, parent) | 0o700}
            parent = posixpath.dirname(parent)
    named = [(path, str(len(contents[inside[path]])), contents[inside[path]]) for path in sorted(inside)]
    named += [(path, str(folders[path]), b"") for path in sorted(folders)]
    text = b"".join(f"{path}\0{said}\0".encode("utf-8", "surrogateescape") + content for path, said, content in named)
    place = f"{_folder(paths, kept)}/{Digest.of(text).hex[:32]}"
    made = [PlanFile(place, None, 0o755)]
    made += [PlanFile(f"{place}{path}", None, folders[path]) for path in sorted(folders)]
    made += [PlanFile(f"{place}{path}", contents[inside[path]], 0o644) for path in sorted(inside)]
    return NamesLayer(place, {path: f"{place}{real}" for real, path in inside.items()}, tuple(made))


def _folder(paths: Paths, kept: Kept | None) -> str:
    """Where names layers lie: on the file system of the other layers where that is local.

    An overlay of several file systems gives up what programs expect of one: one device number, lasting inode numbers.
    A container that stays has its own where they would lie in ``RUNTIME``: that goes at a logout, it may not.
    """
    if paths.scratch[:1] == (f"{paths.store}/scratch",):
        return f"{paths.store}/shown"
    return f"{paths.store}/containers/{kept.id}/shown" if kept is not None else f"{paths.runtime}/files"


def _contents(
    options: RunOptions, person: Person, surroundings: Surroundings, *, isolated_network: bool
) -> dict[str, bytes]:
    own = {} if options.as_built else {"/etc/passwd": person.passwd, "/etc/group": person.group}
    found = {
        **own,
        "/etc/hosts": surroundings.hosts,
        "/etc/localtime": None if options.as_built else surroundings.localtime,
        "/etc/resolv.conf": _lines(options.resolver) or (None if isolated_network else surroundings.resolver),
    }
    if options.hostname:
        found["/etc/hostname"] = f"{options.hostname}\n".encode()
        found["/etc/hosts"] = (surroundings.hosts or b"127.0.0.1\tlocalhost\n").rstrip(b"\n") + (
            f"\n127.0.1.1\t{options.hostname}\n".encode()
        )
    if options.hosts:
        before = found["/etc/hosts"] or b"127.0.0.1\tlocalhost\n"
        found["/etc/hosts"] = before.rstrip(b"\n") + b"\n" + (_lines(options.hosts) or b"")
    return {path: content for path, content in found.items() if content is not None}


def _lines(lines: tuple[str, ...]) -> bytes | None:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape") or None


def _folders(
    options: RunOptions, image: Image, tree: Tree, person: Person, surroundings: Surroundings
) -> dict[str, int]:
    """Directories to make, with their modes; one that the image has gets these too, which is meant only for those."""
    wanted = dict.fromkeys(path for path in (*_PLACES, *_volumes(image)) if not tree.exists(path))
    wanted.update(dict.fromkeys(_target(path) for path in options.places if not tree.exists(_target(path))))
    wanted.update(
        dict.fromkeys(
            _target(path) for path, _ in (*options.first_tmpfs, *options.tmpfs) if not tree.exists(_target(path))
        )
    )
    if surroundings.foreign:
        # The kernel cannot copy a directory up whose owner is not mapped: where something new may come, we own it.
        wanted.update(dict.fromkeys(path for path in _USUAL_PARENTS if tree.exists(path)))
        wanted.update(
            dict.fromkeys(posixpath.dirname(_target(bind.target)) for bind in (*options.first_binds, *options.binds))
        )
    found = _open_folders(image, tree) | {_resolved(tree, path): 0o755 for path in wanted}
    for path in ("/tmp", "/var/tmp") if surroundings.foreign else ("/tmp",):
        if surroundings.foreign or not tree.exists(path):
            found[_resolved(tree, path)] = 0o1777
    if person.private_home:
        found[_resolved(tree, person.home)] = 0o700
    return {path: mode for path, mode in found.items() if path != "/"}


def _open_folders(image: Image, tree: Tree) -> dict[str, int]:
    """Directories that everybody may write in the image, and nobody else in the store, where many may read it."""
    listed = {_target(path) for layer in image.layers for path, _ in layer.meta.open_folders}
    paths = {_resolved(tree, path) for path in listed if path.split("/")[1] not in ("dev", "proc", "sys")}
    modes = {path: _mode(tree, path) for path in sorted(paths)}
    return {path: mode for path, mode in modes.items() if mode & 0o002}


def _mode(tree: Tree, path: str) -> int:
    found = tree.stat(path)
    return found.mode & 0o1777 if found is not None and found.is_dir else 0o755


def _volumes(image: Image) -> list[str]:
    volumes = image.config.config.volumes or ()
    paths = {_target(path) for path in volumes if path.startswith("/")}
    return sorted(path for path in paths if path.split("/")[1] not in ("", "dev", "proc", "sys"))


def _target(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _resolved(tree: Tree, path: str) -> str:
    """Without the image's symbolic links, and certainly without '..': it becomes part of a path on the host."""
    return _target(tree.resolve(path))
