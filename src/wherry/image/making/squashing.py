"""Several layers as one, in which what they remove of each other is really gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wherry.base.errors import ImageError
from wherry.base.progress import Progress, silent
from wherry.image.apply import printable
from wherry.image.headers import Member
from wherry.image.making.copying import layer_of_tar
from wherry.image.making.values import MadeLayer
from wherry.image.rootfs import layers_tar
from wherry.image.table import read_entries, read_whiteouts
from wherry.image.tree import Tree
from wherry.store import Layer

if TYPE_CHECKING:
    from wherry.store import Store

__all__ = ["squash"]


def squash(
    store: Store,
    layers: Sequence[Layer],
    below: Sequence[Layer] = (),
    *,
    compress: str = "",
    progress: Progress = silent,
) -> MadeLayer | None:
    """``layers`` (bottom first, on top of ``below``) as one layer; None when nothing remains.

    Raises :class:`ImageError` when a file cannot be read, :class:`StoreFull`, :class:`StoreError`.
    """
    for layer in layers:
        _require_open(layer)
    return layer_of_tar(store, below, lambda: _tar(layers, below), compress=compress, progress=progress)


def _require_open(layer: Layer) -> None:
    """The view of several layers cannot look into what the owner of a directory may not enter."""
    shut: set[str] = set()
    for entry in read_entries(layer.table):
        folder = entry.path.rpartition("/")[0]
        if folder in shut:
            why = f"what is in '{printable(folder)}' cannot be read: its owner may not enter it"
            raise ImageError(f"layer '{layer.meta.diff_id.short}' cannot be joined with others", why=why)
        if entry.kind == "dir" and entry.mode & 0o500 != 0o500:
            shut.add(entry.path)


def _tar(layers: Sequence[Layer], below: Sequence[Layer]) -> Iterator[bytes]:
    marks: dict[str, list[Member]] = {}
    for path in sorted(_hidden(layers, below) if below else ()):
        marks.setdefault(path.rpartition("/")[0], []).append(Member(path, "file", 0))
    return layers_tar(layers, marks=marks)


def _hidden(layers: Sequence[Layer], below: Sequence[Layer]) -> list[str]:
    """The whiteouts and opaque marks that the layers together need on top of ``below``."""
    removed, opaque = _hiding(layers)
    view, lower = Tree.of(layers), Tree.of(below)
    found = []
    for path in removed | opaque:
        was, now = lower.stat(f"/{path}", follow=False), view.stat(f"/{path}", follow=False)
        folder, _, name = path.rpartition("/")
        parent = view.stat(f"/{folder}", follow=False)
        if was is None or parent is None or not parent.is_dir:
            continue
        if now is None:
            found.append(f"{folder}/.wh.{name}".lstrip("/"))
        elif now.is_dir and was.is_dir:
            found.append(f"{path}/.wh..wh..opq")
    return found


def _hiding(layers: Sequence[Layer]) -> tuple[set[str], set[str]]:
    """What the layers hide of those below: paths, and directories of which they hide the content."""
    removed: set[str] = set()
    opaque: set[str] = set()
    for layer in layers:
        marks = read_whiteouts(layer.table)
        for path in sorted(marks.removed | marks.opaque):
            for known in (removed, opaque):  # what lies below is hidden with it
                known -= {each for each in known if each.startswith(f"{path}/")}
        removed |= marks.removed
        opaque |= marks.opaque
    return removed, opaque
