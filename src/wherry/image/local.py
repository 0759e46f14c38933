"""Images that are held here. This is on the path of every start: files are read, nothing is searched without need."""

from __future__ import annotations

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Conflict, InvalidName, NotFound
from wherry.base.reference import Reference
from wherry.image.model import ImageConfig, Index, Manifest, read_config, read_document
from wherry.store import Layer, Store

__all__ = ["Image", "near_names", "open_by_digest", "open_image"]

_HEX = frozenset("0123456789abcdef")


class Image(msgspec.Struct, frozen=True):
    """An image whose layers are all unpacked here, bottom first."""

    reference: str
    digest: Digest
    media_type: str
    manifest: Manifest
    config: ImageConfig
    layers: tuple[Layer, ...]


def open_image(store: Store, name: str, *, platform: str | None = None) -> Image:
    """The image with this name, this digest, or the only one whose digest begins so (six digits or more).

    Contacts nobody. Raises :class:`NotFound` (with near names), also when it is held for other platforms only.
    """
    digits = name.removeprefix("sha256:")
    if 6 <= len(digits) <= 64 and _HEX.issuperset(digits):
        digest = _by_prefix(store, digits)
        if digest is not None:
            return open_by_digest(store, digest, platform=platform)
        if name.startswith("sha256:"):
            raise NotFound(f"there is no image '{name}' here", hint="'wherry images' lists what is held")
    reference = Reference.parse(name)
    if reference.digest is not None:
        return open_by_digest(store, reference.digest, str(reference), platform=platform)
    found = store.name(reference)
    if found is None:
        raise _not_found(store, reference)
    if platform is not None and found.index is not None and found.platform != platform:
        return open_by_digest(store, found.index, str(reference), platform=platform)
    return open_by_digest(store, found.digest, str(reference), platform=platform)


def open_by_digest(store: Store, digest: Digest, reference: str = "", *, platform: str | None = None) -> Image:
    """The image with this manifest or, from an index with this digest, that of the platform (default: this machine's).

    Raises :class:`NotFound` when it, or one of its layers, is not here.
    """
    subject = reference or str(digest)
    data = store.read_blob(digest) if store.has_blob(digest) else None
    if data is None:
        raise NotFound(f"there is no image '{subject}' here", hint=f"wherry pull {subject}")
    document = read_document(data, "", subject)
    if isinstance(document, Index):
        from wherry.image.platforms import Platform, choose, here

        wanted = Platform.parse(platform) if platform else here()
        chosen = choose(document, wanted, subject, strict=platform is not None)
        return open_by_digest(store, chosen.digest, reference)
    record = store.image_record(digest)
    if record is None:
        raise NotFound(f"the image '{subject}' is not complete here", hint=f"wherry pull {subject}")
    config = read_config(store.read_blob(document.config.digest), document, subject)
    if platform is not None:
        _check_platform(platform, config, subject)
    layers = tuple(map(store.find_layer, record.layers))
    present = tuple(layer for layer in layers if layer is not None)
    if len(present) < len(layers) or len(layers) != len(document.layers):
        raise NotFound(f"the image '{subject}' is not complete here", why="a layer is gone", hint="pull it again")
    return Image(reference or record.reference or subject, digest, document.media_type, document, config, present)


def _check_platform(platform: str, config: ImageConfig, subject: str) -> None:
    from wherry.image.platforms import Platform, normalised, runs

    have = normalised(Platform(config.os, config.architecture, config.variant))
    wanted = Platform.parse(platform)
    if not runs(wanted, have):
        raise NotFound(
            f"'{subject}' is not held here for {wanted}",
            why=f"it is held for {have}",
            hint=f"wherry pull --platform {wanted} {subject}",
        )


def _by_prefix(store: Store, digits: str) -> Digest | None:
    if len(digits) == 64:
        digest = Digest("sha256", digits)
        return digest if store.has_blob(digest) else None
    found = [record.digest for record in store.image_records() if record.digest.hex.startswith(digits)]
    if len(found) > 1:
        both = ", ".join(digest.hex[: len(digits) + 6] for digest in found[:4])
        raise Conflict(f"'{digits}' begins the digests of {len(found)} images", why=both, hint="give more digits")
    return found[0] if found else None


def near_names(store: Store, reference: Reference) -> list[str]:
    """Names of images that are held, near to ``reference``: written alike, or another tag of it; nearest first."""
    import difflib

    wanted = _without_registry(reference)
    known = [name for name, _ in store.names() if name != reference]
    near = set(difflib.get_close_matches(wanted, {_without_registry(name) for name in known}, 3, 0.6))
    alike = [name for name in known if _without_registry(name) in near]
    alike.sort(key=lambda name: difflib.SequenceMatcher(None, wanted, _without_registry(name)).ratio(), reverse=True)
    others = [name for name in known if name.name == reference.name and name not in alike]
    return [_without_latest(name) for name in (*alike[:3], *others[:3])]


def _without_registry(reference: Reference) -> str:
    """Repository and tag: all that one registry holds begins alike."""
    registry, slash, rest = _without_latest(reference).partition("/")
    return rest if slash and registry == reference.registry else f"{registry}{slash}{rest}"


def _without_latest(reference: Reference) -> str:
    """As people write it: what all names end with would make them all alike."""
    return reference.familiar.removesuffix(":latest")


def _not_found(store: Store, reference: Reference) -> NotFound:
    shown = reference.familiar
    near = near_names(store, reference)
    if near:
        return NotFound(f"there is no image '{shown}' here", hint=f"did you mean {' or '.join(near)}?")
    try:
        Reference.parse(shown)
    except InvalidName:
        return NotFound(f"there is no image '{shown}' here")
    return NotFound(f"there is no image '{shown}' here", hint=f"wherry pull {shown}")
