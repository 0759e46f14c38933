"""Contexts: the sets of files that a recipe may copy from, and copying from them into a layer.

Words: a *root* is a folder or the view of layers that is copied from; a *selection* is what a COPY's sources mean in
it; an *ignore file* says what of a context counts as not there. Nothing outside of a root is ever read, and of a
selection nothing is copied that was changed since.

It may import :mod:`wherry.image` and what is below, and of the build only the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.build.context.commits import commit_places, commit_time
    from wherry.build.context.contents import copy_content
    from wherry.build.context.copying import copy_into, folder_in
    from wherry.build.context.digests import digest
    from wherry.build.context.fetching import cloned, downloaded, inline
    from wherry.build.context.ignore import Ignore, parse_ignore, read_ignore
    from wherry.build.context.opening import Context, open_context
    from wherry.build.context.selecting import Pick, Selection, select
    from wherry.build.context.stages import layers_root

__all__ = [
    "Context",
    "Ignore",
    "Pick",
    "Selection",
    "cloned",
    "commit_places",
    "commit_time",
    "copy_content",
    "copy_into",
    "digest",
    "downloaded",
    "folder_in",
    "inline",
    "layers_root",
    "open_context",
    "parse_ignore",
    "read_ignore",
    "select",
]

_HOMES = {
    "Context": "opening",
    "Ignore": "ignore",
    "Pick": "selecting",
    "Selection": "selecting",
    "cloned": "fetching",
    "downloaded": "fetching",
    "inline": "fetching",
    "commit_places": "commits",
    "commit_time": "commits",
    "copy_content": "contents",
    "copy_into": "copying",
    "digest": "digests",
    "folder_in": "copying",
    "layers_root": "stages",
    "open_context": "opening",
    "parse_ignore": "ignore",
    "read_ignore": "ignore",
    "select": "selecting",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
