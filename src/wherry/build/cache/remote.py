"""``--cache-from``: what steps made elsewhere, known by one small document; a layer is fetched when its step is met."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import UnsupportedImage, WherryError
from wherry.base.progress import Event, Progress
from wherry.build.cache.carriers import MANIFEST, Carrier, open_carrier, small_blob
from wherry.build.cache.places import ARTIFACT, INLINE, CachePlace, Travelling, decode
from wherry.store import BuiltStep, Store

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.image import Descriptor, Manifest

__all__ = ["RemoteCache", "known_at", "open_remote"]


@contextmanager
def open_remote(world: World, place: CachePlace, progress: Progress) -> Iterator[RemoteCache]:
    """The cache at ``place``; nobody is asked before the first step that is not here."""
    with open_carrier(world, place, progress) as carrier:
        yield RemoteCache(place.name, carrier)


class RemoteCache:
    """Believed in what a step makes, and in nothing else: a layer has the digests that were said, or is not taken."""

    def __init__(self, name: str, carrier: Carrier) -> None:
        self._name = name
        self._carrier = carrier
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Travelling, Descriptor | None]] | None = None

    def bring(self, store: Store, key: Digest, below: tuple[Digest, ...], progress: Progress) -> BuiltStep | None:
        """As :class:`wherry.build.cache.Remote` has it. What fails is told, and the step is done here."""
        found = self._steps(progress).get(key.hex)
        if found is None:
            return None
        travelling, descriptor = found
        step = msgspec.structs.replace(travelling.step, parent=str(below[-1]) if below else travelling.step.parent)
        if descriptor is None or step.diff_id is None:
            return step
        from wherry.image import bring_layer

        try:
            layer = bring_layer(store, descriptor, step.diff_id, below, self._carrier, progress)
        except WherryError as error:
            self._tell(progress, error)
            return None
        return msgspec.structs.replace(step, layer=layer.key)

    def _steps(self, progress: Progress) -> dict[str, tuple[Travelling, Descriptor | None]]:
        with self._lock:
            if self._known is None:
                try:
                    self._known = known_at(self._carrier, self._name)
                except (WherryError, ValueError) as error:
                    self._known = {}
                    self._tell(progress, error)
            return self._known

    def _tell(self, progress: Progress, error: Exception) -> None:
        progress(Event(f"the cache '{self._name}'", "skipped", message=f"not used: {error}"))


def known_at(carrier: Carrier, name: str) -> dict[str, tuple[Travelling, Descriptor | None]]:
    """The steps that lie there by their keys, each with its layer's descriptor; none where nothing lies there.

    Raises :class:`WherryError` or :class:`ValueError` for what is no cache.
    """
    from wherry.image import read_manifest

    data = carrier.manifest()
    if data is None:
        return {}
    manifest: Manifest = read_manifest(data, MANIFEST, name)
    document = small_blob(carrier, manifest.config)
    if manifest.artifact_type != ARTIFACT:
        document = _inline(document, name)
    steps = decode(document, len(manifest.layers))
    return {key: (step, manifest.layers[step.layer] if step.layer >= 0 else None) for key, step in steps.items()}


def _inline(config: bytes, name: str) -> bytes:
    """What an image says of its own steps."""
    found: Any = msgspec.json.decode(config)
    said = found.get(INLINE) if isinstance(found, dict) else None
    if said is None:
        hint = "build it with --cache-to type=inline, or name what --cache-to wrote"
        raise UnsupportedImage(
            f"'{name}' is an image, and no build cache", why="it says nothing of its steps", hint=hint
        )
    return msgspec.json.encode(said)
