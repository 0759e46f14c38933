"""The error for a source that is not there: what was meant perhaps, or which line leaves it out."""

from __future__ import annotations

from wherry.base.errors import NotFound
from wherry.build.context.sources import Folder, Node, Root, follow

__all__ = ["missing"]


def missing(root: Root, path: str) -> NotFound:
    """Nothing is at ``path``, a clean one, below ``root``."""
    return NotFound(f"'{path or '/'}' is not in {root.shown}", why=_ignored(root, path), hint=_near(root, path))


def _ignored(root: Root, path: str) -> str:
    ignore = root.ignore
    if not ignore or not isinstance(root, Folder) or not ignore.matches(path):
        return ""
    if follow(Folder(root.path), path) is None:
        return ""
    number, text = ignore.line_of(path)
    return f"line {number} of '{ignore.name}' ('{text}') leaves it out"


def _near(root: Root, path: str) -> str:
    """The nearest path: part by part, the first that is missing by one that is like it."""
    import difflib

    node: Node | None = root.top()
    names = path.split("/")
    for place, name in enumerate(names):
        if node is None or not node.is_dir:
            return ""
        inner = follow(root, "/".join(names[: place + 1]))
        if inner is not None:
            node = inner
            continue
        known = [child.name for child in root.children(node)]
        lower = {each.lower(): each for each in known}
        near = difflib.get_close_matches(name.lower(), list(lower), 1)
        if near:
            names[place] = lower[near[0]]
            return f"did you mean '{'/'.join(names[: place + 1])}'?"
        return "paths are below its root, and nothing outside can be copied" if place == 0 else ""
    return ""
