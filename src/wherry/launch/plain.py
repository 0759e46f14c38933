"""Directories that a read-only container sees past the overlay: bound from the store, where they lie.

Each ``open`` and ``stat`` in an overlay costs one in the overlay and one in the layer. What nobody can write needs no
overlay: a directory that a single layer holds alone is that layer's directory. So programs in it start, and libraries
load, as fast as from a plain tree. The overlay below stays, for what several layers or the names layer make up.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from wherry.launch.binds import BIND_NODEV, BIND_NOSUID, BIND_OPTIONAL, BIND_PLAIN, BIND_READ_ONLY, BIND_SHALLOW
from wherry.launch.confine import may_mount
from wherry.launch.job import Job
from wherry.launch.plan import Operation
from wherry.launch.views import Image, Tree

__all__ = ["plain_binds", "plain_folders", "shows_plainly"]

_BITS = BIND_READ_ONLY | BIND_NOSUID | BIND_NODEV | BIND_SHALLOW | BIND_OPTIONAL | BIND_PLAIN
_DEPTH = 2
"""``/usr`` and ``/opt/conda``: deeper ones are many, and each bind is a part of every start (some 20 microseconds)."""
_MOST = 8
_ENTRIES = 200
"""A directory with fewer entries, its own and those one level below, is not worth a bind."""


def shows_plainly(job: Job) -> bool:
    """Whether nothing of this start needs to come into the image's directories.

    ``cp`` writes into the upper directory of a container that stays, the supervisor keeps owners there, and under
    ``named`` the host's files come where the image lacks them. Who may mount inside could make a bind writable, and
    with it the store.
    """
    options = job.options
    return (
        options.read_only
        and job.kept is None
        and not (options.upper or options.extra_layers or options.fakeroot or options.named)
        and not (job.surroundings.noexec or may_mount(options))
    )


def plain_binds(job: Job, targets: Iterable[str]) -> list[Operation]:
    """The binds; ``targets`` will be mounted later. What lies there by a slot, the launcher looks at (BIND_PLAIN).

    None of an image file that is mounted: a file system by FUSE serves who mounted it alone, and says yes to whatever
    access(2) asks; through the overlay the modes count.
    """
    if not shows_plainly(job) or job.paths.mounted is not None:
        return []
    place = len(job.names.tree)
    made = [file.path[place:] for file in job.names.files if file.path != job.names.tree]
    made += [job.tree.resolve(target) for target in targets if target.startswith("/") and not job.tree.exists(target)]
    return [Operation("BIND", (real, path, _BITS)) for path, real in plain_folders(job.image, job.tree, made)]


def plain_folders(image: Image, tree: Tree, made: Iterable[str]) -> list[tuple[str, str]]:
    """Paths inside and on the host of the directories that one layer holds alone, none within another.

    ``made`` are the paths inside that something else adds; a layer with whiteouts is left to the overlay, which knows
    what they are.
    """
    known = tuple(made)
    clean = tuple(f"{layer.tree}/" for layer in image.layers if layer.meta.overlay and not layer.meta.whiteouts)
    return _below(tree, "/", clean, known, 1)[:_MOST]


def _below(tree: Tree, folder: str, clean: tuple[str, ...], made: tuple[str, ...], depth: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    deeper: list[str] = []
    for name in tree.listdir(folder):
        path = posixpath.join(folder, name)
        if path in ("/dev", "/proc", "/sys") or tree.resolve(path) != path:
            continue
        entry = tree.stat(path)
        if entry is None or not entry.is_dir:
            continue
        alone = len(entry.folders) == 1 and entry.folders[0][1].startswith(clean)
        if not alone or any(other == path or other.startswith(f"{path}/") for other in made):
            deeper.append(path)
        elif tree.holds(path, _ENTRIES):
            found.append((path, entry.folders[0][1]))
    if depth < _DEPTH:
        for path in deeper:
            found += _below(tree, path, clean, made, depth + 1)
    return found
