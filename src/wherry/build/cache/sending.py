"""``--cache-to``: the steps of a build, their layers compressed, to a registry or a directory.

What was sent before is not compressed or sent again. The last one to send decides what lies there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import WherryError
from wherry.base.progress import Event, Progress
from wherry.build.cache.carriers import MANIFEST, Carrier, open_carrier
from wherry.build.cache.places import ARTIFACT, CONFIG, CachePlace, Travelling, encode
from wherry.build.cache.remote import known_at
from wherry.image import Descriptor
from wherry.store import BuiltStep, Layer, Store

if TYPE_CHECKING:
    from wherry.build.cache.steps import Cache
    from wherry.containers import World

__all__ = ["inline_document", "of_image", "send_cache"]

_CHUNK = 1 << 20


def send_cache(world: World, cache: Cache, place: CachePlace, progress: Progress) -> None:
    """Bring what ``cache`` found or made in this build to ``place``. Raises what sending raises."""
    steps = cache.used if place.mode == "max" or not cache.result else of_image(cache.used, cache.result)
    with open_carrier(world, place, progress) as carrier:
        before = _sent_before(carrier, place.name)
        layers: dict[str, int] = {}
        descriptors: list[Descriptor] = []
        travelling = []
        for step in steps:
            layer = world.store.find_layer(step.layer) if step.layer else None
            if step.layer and (layer is None or not _travels(layer)):
                continue
            if layer is not None and step.layer not in layers:
                descriptors.append(_send_layer(world.store, layer, carrier, before, progress))
                layers[step.layer] = len(descriptors) - 1
            travelling.append(Travelling(step, layers[step.layer] if layer is not None else -1))
        config = encode(tuple(travelling))
        described = Descriptor(CONFIG, Digest.of(config), len(config))
        carrier.put(described, lambda: [config])
        carrier.finish(_manifest(described, descriptors))
    progress(Event(f"the cache '{place.name}'", "done", message=f"{len(travelling)} steps sent"))


def of_image(steps: Iterable[BuiltStep], result: Sequence[Digest]) -> tuple[BuiltStep, ...]:
    """Those that the image with these layers (diff ids) was made by."""
    own = set(result)
    return tuple(
        step
        for step in steps
        if (step.diff_id in own if step.diff_id else not step.parent or Digest.parse(step.parent) in own)
    )


def inline_document(steps: Iterable[BuiltStep], result: Sequence[Digest]) -> Any:
    """What an image with these layers says of its own steps, as a member of its configuration; the same every time."""
    places = {digest: number for number, digest in enumerate(result)}
    found = [Travelling(step, places[step.diff_id] if step.diff_id else -1) for step in of_image(steps, result)]
    return msgspec.json.decode(encode(tuple(found), plain=True))


def _travels(layer: Layer) -> bool:
    """Whether it is the same on whatever it lies, and its tar can be had."""
    return layer.key == layer.meta.diff_id.hex and layer.meta.rebuildable


def _sent_before(carrier: Carrier, name: str) -> dict[Digest, Descriptor]:
    """Layers that lie there by their diff ids; what is no cache is overwritten in a registry, as by any push."""
    try:
        known = known_at(carrier, name).values()
    except (WherryError, ValueError):
        return {}
    return {one.step.diff_id: descriptor for one, descriptor in known if one.step.diff_id and descriptor}


def _send_layer(
    store: Store, layer: Layer, carrier: Carrier, before: dict[Digest, Descriptor], progress: Progress
) -> Descriptor:
    known = before.get(layer.meta.diff_id)
    if known is not None and carrier.has(known):
        progress(Event(known.digest.short, "exists", known.size, known.size))
        return known
    from wherry.image import compress_layer

    work = store.new_work()
    try:
        path = os.path.join(work, "blob")
        descriptor = compress_layer(layer, path)
        progress(Event(descriptor.digest.short, "pushing", 0, descriptor.size))
        carrier.put(descriptor, lambda: _file(path))
        progress(Event(descriptor.digest.short, "done", descriptor.size, descriptor.size))
        return descriptor
    finally:
        store.discard(work)


def _file(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    def described(one: Descriptor) -> dict[str, object]:
        return {"mediaType": one.media_type, "digest": str(one.digest), "size": one.size}

    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT,
            "config": described(config),
            "layers": [described(one) for one in layers],
        }
    )
