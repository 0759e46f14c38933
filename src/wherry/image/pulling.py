"""Pulling: resolve, compare with what is here, fetch what is missing, name it last."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import DigestMismatch, ImageError, NotFound
from wherry.base.progress import Event, Progress, silent
from wherry.base.reference import Reference
from wherry.image.faults import threads_needed
from wherry.image.layers import bring_layers, estimate, find_layer, wanted_layers
from wherry.image.local import Image, open_by_digest, open_image
from wherry.image.model import Descriptor, ImageConfig, Index, Manifest, read_config, read_document, read_manifest
from wherry.image.platforms import Platform, choose, here
from wherry.image.recording import record_image
from wherry.registry import Fetched, Registry
from wherry.store import Name, Store

__all__ = ["PullPreview", "preview_pull", "pull"]

_LARGEST_CONFIG = 16 << 20


def pull(
    store: Store,
    registry: Registry,
    ref: Reference,
    *,
    platform: str | None = None,
    progress: Progress = silent,
    keep_blobs: bool = False,
) -> Image:
    """Fetch an image and name it; ask the registry what the tag means now. Idempotent, and safe to be killed.

    Of all processes that pull one name at once, one asks and fetches; its answer serves all who began before it asked.
    What is held and unchanged costs one HEAD request.
    ``platform`` (``linux/arm64``), None: this machine's. ``keep_blobs``: keep the compressed layers, too.
    Raises :class:`RegistryError`, :class:`ImageError`,
    :class:`StoreError` and :class:`UnsupportedImage` when the image is not made for the platform.
    """
    with threads_needed(f"pull '{ref.familiar}'"):
        return _pull_once(store, registry, ref, platform, progress, keep_blobs)


def _pull_once(
    store: Store, registry: Registry, ref: Reference, platform: str | None, progress: Progress, keep_blobs: bool
) -> Image:
    """The image, fetched by this process or by another that wants the same at the same time."""
    wanted = str(Platform.parse(platform)) if platform else None
    key = f"pull-{ref}-{wanted or 'here'}"
    while True:
        with store.shared_flight(key, progress, subject=ref.familiar) as mine:
            if mine:
                return _fetch(store, registry, ref, wanted, progress, keep_blobs)
        try:
            image = open_image(store, str(ref), platform=wanted)
        except NotFound:
            continue  # removed again, or a network file system has not heard of it yet
        progress(Event(ref.familiar, "done", message=str(image.digest)))
        return image


class PullPreview(msgspec.Struct, frozen=True):
    """What a pull would do: for each layer, lowest first, its digest, compressed size and whether it is here.

    ``download`` and ``space`` are bytes: what would come over the network, and about what it would take here.
    """

    digest: Digest
    layers: tuple[tuple[Digest, int, bool], ...]
    download: int
    space: int


def preview_pull(store: Store, registry: Registry, ref: Reference, *, platform: str | None = None) -> PullPreview:
    """Ask the registry what ``ref`` is, and say what pulling would bring; changes nothing. Raises as :func:`pull`."""
    wanted_platform = str(Platform.parse(platform)) if platform else None
    top = _held_digest(store, ref)
    image = None if top is None else _unchanged(store, registry, ref, top, wanted_platform)
    if image is not None:
        digest, manifest, config = image.digest, image.manifest, image.config
    else:
        answer = _look_up(registry, ref, wanted_platform)
        digest, manifest = answer.fetched.digest, answer.manifest
        config = read_config(_config(store, registry, ref, manifest.config), manifest, ref.familiar)
        _check_platform(config, None if answer.index else wanted_platform, ref.familiar)
    wanted = wanted_layers(manifest.layers, config.rootfs.diff_ids)
    layers = tuple(
        (item.descriptor.digest, item.descriptor.size, find_layer(store, item) is not None) for item in wanted
    )
    download = sum(size for _, size, held in dict.fromkeys(layers) if not held)
    return PullPreview(digest, layers, download, estimate(store, wanted))


def _fetch(
    store: Store, registry: Registry, ref: Reference, platform: str | None, progress: Progress, keep_blobs: bool
) -> Image:
    top = _held_digest(store, ref)
    image = None if top is None else _unchanged(store, registry, ref, top, platform)
    if image is None:
        answer = _look_up(registry, ref, platform)
        top = (answer.index or answer.fetched).digest
        image = _present(store, ref, answer, platform)
        if image is None:
            image = _bring(store, registry, ref, answer, platform, progress, keep_blobs=keep_blobs)
    if ref.digest is None:
        store.set_name(ref, Name(image.digest, top if top != image.digest else None, platform or ""))
    store.touch_image(image.digest)
    progress(Event(ref.familiar, "done", message=str(image.digest)))
    return image


def _held_digest(store: Store, ref: Reference) -> Digest | None:
    """What the name led to when it was pulled last: an index or a manifest."""
    if ref.digest is not None:
        return ref.digest
    held = store.name(ref)
    return None if held is None else held.index or held.digest


def _unchanged(store: Store, registry: Registry, ref: Reference, top: Digest, platform: str | None) -> Image | None:
    """The image from ``top``, if all of it is here and the registry says that the name leads there still."""
    try:
        image = open_by_digest(store, top, str(ref), platform=platform)
    except (NotFound, ImageError):
        return None
    return image if registry.resolve(ref) == top else None


class _Answer(msgspec.Struct, frozen=True):
    """The platform's manifest as fetched, what it says, and the index that it was chosen from."""

    fetched: Fetched
    manifest: Manifest
    index: Fetched | None = None


def _look_up(registry: Registry, ref: Reference, platform: str | None) -> _Answer:
    subject = ref.familiar
    fetched = registry.get_manifest(ref)
    document = read_document(fetched.data, fetched.media_type, subject)
    if not isinstance(document, Index):
        return _Answer(fetched, document)
    wanted = Platform.parse(platform) if platform else here()
    chosen = choose(document, wanted, subject, strict=platform is not None)
    index, fetched = fetched, registry.get_manifest(ref.at(chosen.digest))
    return _Answer(fetched, read_manifest(fetched.data, fetched.media_type, subject), index)


def _present(store: Store, ref: Reference, answer: _Answer, platform: str | None) -> Image | None:
    """The image, if all of it is here."""
    if answer.index is not None and not store.has_blob(answer.index.digest):
        return None
    try:
        return open_by_digest(store, answer.fetched.digest, str(ref), platform=None if answer.index else platform)
    except (NotFound, DigestMismatch):
        return None


def _bring(
    store: Store,
    registry: Registry,
    ref: Reference,
    answer: _Answer,
    platform: str | None,
    progress: Progress,
    *,
    keep_blobs: bool,
) -> Image:
    subject, manifest, index = ref.familiar, answer.manifest, answer.index
    config_data = _config(store, registry, ref, manifest.config)
    config = read_config(config_data, manifest, subject)
    _check_platform(config, None if index else platform, subject)
    wanted = wanted_layers(manifest.layers, config.rootfs.diff_ids)
    store.require_space(estimate(store, wanted), f"the image '{subject}'")
    source = _FromRegistry(registry, ref)
    layers = bring_layers(store, wanted, source, progress, keep_blobs=keep_blobs, parallel=registry.parallel)
    return record_image(
        store, str(ref), (answer.fetched.data, index.data if index else None), manifest, config_data, layers
    )


def _config(store: Store, registry: Registry, ref: Reference, descriptor: Descriptor) -> bytes:
    if descriptor.size > _LARGEST_CONFIG:
        why = f"{descriptor.size} bytes, more than {_LARGEST_CONFIG} are refused"
        raise ImageError(f"the configuration of '{ref.familiar}' is too large", why=why)
    if store.has_blob(descriptor.digest):
        return store.read_blob(descriptor.digest)
    with registry.open_blob(ref, descriptor.digest, descriptor.size) as stream:
        return b"".join(stream)


def _check_platform(config: ImageConfig, platform: str | None, subject: str) -> None:
    """An image without an index is taken as it is, unless a platform was asked for."""
    if config.os not in ("linux", ""):
        from wherry.base.errors import UnsupportedImage

        raise UnsupportedImage(f"'{subject}' is not made for linux", why=f"it is made for {config.os}")
    if platform is None or not config.architecture:
        return
    from wherry.base.errors import UnsupportedImage
    from wherry.image.platforms import normalised, runs

    have = normalised(Platform(config.os, config.architecture, config.variant))
    if not runs(Platform.parse(platform), have):
        hint = f"leave --platform out, or ask its makers; it runs with --platform {have}"
        raise UnsupportedImage(f"'{subject}' is not made for {platform}", why=f"it is made for {have} only", hint=hint)


class _FromRegistry:
    resumable = True
    doing = "pulling"

    def __init__(self, registry: Registry, ref: Reference) -> None:
        self._registry = registry
        self._ref = ref
        self.repository = ref.name

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterable[bytes]:
        return self._registry.open_blob(self._ref, descriptor.digest, descriptor.size, offset=offset, hasher=hasher)
