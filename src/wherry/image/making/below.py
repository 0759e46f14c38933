"""What lies below a layer that is being made. Asked only for names that the new layer has: nothing is walked here."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from wherry.image.making.owners import LayerOwners, Owner, is_odd, layer_owners
from wherry.image.table import read_whiteouts
from wherry.image.tree import Tree
from wherry.store import Layer

if TYPE_CHECKING:
    from wherry.image.tree import Entry
    from wherry.store import Store

__all__ = ["Below"]


class Below:
    """The merged view of the layers (bottom first), with what their tables say of owners."""

    def __init__(self, store: Store, layers: Sequence[Layer], under: Below | None = None) -> None:
        """``under`` is the view of the same layers without the highest: what it knows is not asked for again."""
        self._store = store
        self._layers = tuple(layers)[::-1]
        self._under = under
        self._owners: dict[str, LayerOwners] = under._owners if under is not None else {}
        self._moved: dict[tuple[int, int], Owner | None] | None = None
        self.view: Tree = under.view.above(self._layers[0]) if under is not None else Tree.of(layers)

    @classmethod
    def of(cls, store: Store, layers: Sequence[Layer] | Below) -> Below:
        """Of layers, or as it is: who makes one layer upon the other hands on what was learnt of those below."""
        return layers if isinstance(layers, Below) else cls(store, layers)

    @cached_property
    def odd(self) -> dict[str, tuple[Entry, Owner]]:
        """What is not as the trees show it, by path in order; without devices."""
        known = self._under.odd if self._under is not None else {}
        asked = self._layers[:1] if self._under is not None else self._layers
        new = {os.fsdecode(key) for layer in asked for key in self._of(layer).odd}
        found: dict[str, tuple[Entry, Owner]] = {}
        for path in sorted(known.keys() | new):
            entry = self.root if not path else self.find(path)
            # Under a link it is another file, which has an entry of its own.
            if entry is None or entry.path.strip("/") != path:
                continue
            if path not in new and entry is known[path][0]:
                found[path] = known[path]
            elif not self.is_device(path):
                owner = self.owner(entry)
                if owner.xattrs or is_odd("symlink" if entry.target else "", owner.uid, owner.gid, owner.mode):
                    found[path] = (entry, owner)
        return found

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Bottom first."""
        return self._layers[::-1]

    @property
    def root(self) -> Entry:
        return self.view.root

    def find(self, path: str) -> Entry | None:
        """What is at ``path``, whose parent is known to be a directory of the view."""
        return self.view.stat(f"/{path}", follow=False)

    def is_device(self, path: str) -> bool:
        """Whether the highest layer that says something odd of ``path`` says that it is a device: no tree has these."""
        key = os.fsencode(path)
        for layer in self._layers:
            found = self._of(layer).odd.get(key)
            if found is not None:
                return bool(found.kind)
        return False

    @cached_property
    def devices(self) -> dict[str, Owner]:
        """The devices that the view would show if trees had them, by path in order."""
        under = self._under
        known = under.devices if under is not None else {}
        asked = self._layers[:1] if under is not None else self._layers
        found = {path: known[path] for path in known if self._is_untouched(path)}
        paths = {os.fsdecode(key) for layer in asked for key, owner in self._of(layer).odd.items() if owner.kind}
        for path in (known.keys() | paths) - found.keys():
            if (device := self._device(path)) is not None:
                found[path] = device
        return dict(sorted(found.items()))

    def _is_untouched(self, path: str) -> bool:
        """Whether the highest layer has nothing where ``path`` lies, and says nothing of it."""
        assert self._under is not None
        folder, layer = f"/{path.rpartition('/')[0]}", self._layers[0]
        here = self.view.stat(folder, follow=False)
        says = os.fsencode(path) in self._of(layer).odd or not layer.meta.overlay
        return not says and here is self._under.view.stat(folder, follow=False)

    def _device(self, path: str) -> Owner | None:
        for position, layer in enumerate(self._layers):
            owner = self._of(layer).odd.get(os.fsencode(path))
            if owner is not None and owner.kind and self._is_seen(position, path):
                return owner
        return None

    def _is_seen(self, position: int, path: str) -> bool:
        """Whether no layer above the one at ``position`` hides what that has at ``path``."""
        folder = path.rpartition("/")[0]
        found = self.view.stat(f"/{folder}", follow=False)
        tree = f"{self._layers[position].tree}/{folder}".rstrip("/")
        if found is None or tree not in [real for _, real in found.folders]:
            return False
        for layer in self._layers[:position]:
            if os.fsencode(path) in self._of(layer).odd or os.path.lexists(f"{layer.tree}/{path}"):
                return False
            if not layer.meta.overlay and path in read_whiteouts(layer.table).removed:
                return False
        return True

    def owner(self, entry: Entry) -> Owner:
        """Owner, permissions and foreign attributes, as the image says."""
        path = entry.path.strip("/")
        key = os.fsencode(path)
        places = [real for _, real in entry.folders] or [entry.real]
        for layer in self._layers:
            if f"{layer.tree}/{path}".rstrip("/") not in places:
                continue
            known = self._of(layer)
            if key in known.odd:
                return known.odd[key]
            if not (entry.is_dir and key in known.unnamed):
                break
        return Owner(mode=stat.S_IMODE(entry.mode))

    def moved(self, status: os.stat_result) -> Owner | None:
        """The owner of the odd file below that has this time and size: the overlay tells that a file came from below,
        and not from where. None unless there is exactly one such owner."""
        if self._moved is None:
            self._moved = self._files()
        return self._moved.get((status.st_mtime_ns, status.st_size))

    def _files(self) -> dict[tuple[int, int], Owner | None]:
        found: dict[tuple[int, int], Owner | None] = {}
        for layer in self._layers:
            for key, owner in self._of(layer).odd.items():
                try:
                    status = os.lstat(f"{layer.tree}/{os.fsdecode(key)}")
                except OSError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    stamp = (status.st_mtime_ns, status.st_size)
                    same = found.get(stamp, owner) == owner
                    found[stamp] = owner if same else None
        return found

    def _of(self, layer: Layer) -> LayerOwners:
        if layer.key not in self._owners:
            self._owners[layer.key] = layer_owners(self._store, layer)
        return self._owners[layer.key]
