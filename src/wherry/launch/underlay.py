"""A root without overlayfs: a scratch directory in which the flattened tree's entries are bound, read-only.

A directory that lacks a mount point is opened up one level: it is made in the scratch folder and its children are bound
one by one, so that the mount point can be made beside them; an empty one is simply made. Everything else is one bind
for each top-level entry.
"""

from __future__ import annotations

import posixpath

from wherry.launch.binds import BIND_NODEV, BIND_NOSUID, BIND_READ_ONLY, BIND_SHALLOW
from wherry.launch.plan import SCRATCH, Operation
from wherry.launch.views import Tree

__all__ = ["underlay"]

_BITS = BIND_READ_ONLY | BIND_NOSUID | BIND_NODEV | BIND_SHALLOW
_OWN = ("/dev", "/proc", "/sys", "/tmp")


def underlay(tree: Tree, flat: str, point: str, targets: list[str]) -> list[Operation]:
    """TREE, ROOT and the binds of the tree at ``flat``; ``targets`` will be mounted later (slots are left out)."""
    steps = [Operation("TREE", (f"{SCRATCH}/root", point, BIND_NOSUID | BIND_NODEV)), Operation("ROOT", (point,))]
    missing = sorted({tree.resolve(target) for target in targets if target.startswith("/")})
    steps += [Operation("DIRECTORY", (path, 0o1777 if path == "/tmp" else 0o755)) for path in _OWN]
    steps += _open(tree, flat, "/", [path for path in missing if not tree.exists(path)])
    return steps


def _open(tree: Tree, flat: str, folder: str, missing: list[str]) -> list[Operation]:
    steps: list[Operation] = []
    for name in sorted(tree.listdir(folder)):
        path = posixpath.join(folder, name)
        if path in _OWN:
            continue
        real = tree.resolve(path)
        if real != path:
            steps.append(Operation("SYMLINK", (posixpath.relpath(real, folder), path)))
            continue
        below = [target for target in missing if target.startswith(f"{path}/")]
        if below or _is_empty_folder(tree, path):
            steps.append(Operation("DIRECTORY", (path, 0o755)))
            steps += _open(tree, flat, path, below)
        else:
            steps.append(Operation("BIND", (f"{flat}{path}", path, _BITS)))
    return steps


def _is_empty_folder(tree: Tree, path: str) -> bool:
    found = tree.stat(path)
    return found is not None and found.is_dir and not tree.listdir(path)
