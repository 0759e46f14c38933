"""What an archive of images says: which images it holds, by their documents. Layers are not unpacked here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import BrokenArchive, DigestMismatch, ImageError, InvalidName, NotFound
from wherry.base.reference import Reference
from wherry.image.layout import Layout
from wherry.image.model import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    read_config,
    read_document,
)
from wherry.image.platforms import Platform, choose, here

__all__ = ["ArchivedImage", "archived_images"]

_TAR = "application/vnd.oci.image.layer.v1.tar"


class _DockerImage(msgspec.Struct, rename="pascal"):
    """One image of a ``manifest.json``."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class ArchivedImage(msgspec.Struct, frozen=True):
    """An image of an archive as its documents say; its layers are not read yet, but for their digests."""

    names: tuple[Reference, ...]
    data: bytes
    manifest: Manifest
    config_data: bytes
    config: ImageConfig
    places: dict[Digest, str]
    layers: tuple[tuple[Digest, int, bool], ...] = ()
    """Each layer's diff id, its bytes in the archive, and whether it is here; only of a preview."""

    @property
    def digest(self) -> Digest:
        return Digest.of(self.data)


def archived_images(layout: Layout, path: str, platform: str | None, wanted: str = "") -> Iterator[ArchivedImage]:
    """The images of an archive, or only the ``wanted`` one: by its name or tag there, or ``@N``, counted from 0.

    Raises :class:`BrokenArchive` for what is none, :class:`NotFound` when it holds no such image.
    """
    if layout.has("index.json"):
        return _oci_images(layout, path, platform, wanted)
    if layout.has("version") and layout.has("manifest.json"):
        return _dir_image(layout, path, platform)
    if layout.has("manifest.json"):
        return _docker_images(layout, path, wanted)
    if layout.has("repositories"):
        hint = "let a newer one write it anew: docker load -i FILE, docker save -o FILE NAME"
        raise BrokenArchive(f"'{path}' cannot be read", why="Docker before 1.10 wrote it, without manifests", hint=hint)
    why = "it has neither 'index.json' (OCI) nor 'manifest.json' (docker save)"
    raise BrokenArchive(f"'{path}' is not an image", why=why)


def _oci_images(layout: Layout, path: str, platform: str | None, wanted: str) -> Iterator[ArchivedImage]:
    index = read_document(layout.read("index.json"), "application/vnd.oci.image.index.v1+json", path)
    if not isinstance(index, Index):
        raise BrokenArchive(f"'{path}' is not an image", why="its 'index.json' is no index")
    chosen: Sequence[Descriptor] = index.manifests
    if wanted:
        chosen = [chosen[number] for number in _chosen([_oci_names(item) for item in chosen], wanted, path)]
    named = {_annotated(item) for item in chosen}
    if len(chosen) > 1 and len(named) == 1:  # one image for several platforms
        chosen = [_choose(index, platform, path)]
    for item in chosen:
        data = _blob(layout, item, path)
        document = read_document(data, item.media_type, path)
        if isinstance(document, Index):
            inner = _choose(document, platform, path)
            data = _blob(layout, inner, path)
            document = read_document(data, inner.media_type, path)
        if isinstance(document, Index):
            raise ImageError(f"'{path}' has an index within an index", why="that is not followed")
        config_data = _blob(layout, document.config, path)
        config = read_config(config_data, document, path)
        places = {layer.digest: _place(layer.digest) for layer in document.layers}
        yield ArchivedImage(_references([_annotated(item)]), data, document, config_data, config, places)


def _dir_image(layout: Layout, path: str, platform: str | None) -> Iterator[ArchivedImage]:
    """skopeo's ``dir:`` has one manifest beside its blobs, each named by the digits of its digest alone."""
    data = layout.read("manifest.json")
    document = read_document(data, "", path)
    if isinstance(document, Index):
        item = _choose(document, platform, path)
        data = layout.read(f"{item.digest.hex}.manifest.json")
        _verify(data, item.digest, f"{item.digest.hex}.manifest.json", path)
        document = read_document(data, item.media_type, path)
    if isinstance(document, Index):
        raise ImageError(f"'{path}' has an index within an index", why="that is not followed")
    config_data = layout.read(document.config.digest.hex)
    _verify(config_data, document.config.digest, document.config.digest.hex, path)
    config = read_config(config_data, document, path)
    places = {layer.digest: layer.digest.hex for layer in document.layers}
    yield ArchivedImage((), data, document, config_data, config, places)


def _docker_images(layout: Layout, path: str, wanted: str) -> Iterator[ArchivedImage]:
    try:
        listed = msgspec.json.decode(layout.read("manifest.json"), type=list[_DockerImage])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenArchive(f"'{path}' is not an image", why=f"its 'manifest.json': {error}") from None
    if wanted:
        names = [tuple(item.repo_tags or ()) for item in listed]
        listed = [listed[number] for number in _chosen(names, wanted, path)]
    for item in listed:
        config_data = layout.read(item.config)
        data, places = _docker_manifest(layout, item, config_data)
        document = read_document(data, OCI_MANIFEST, path)
        assert not isinstance(document, Index)
        config = read_config(config_data, document, path)
        yield ArchivedImage(_references(item.repo_tags or ()), data, document, config_data, config, places)


def _docker_manifest(layout: Layout, item: _DockerImage, config: bytes) -> tuple[bytes, dict[Digest, str]]:
    """``docker save`` writes no manifest; the image gets one, always the same for the same image."""
    layers: list[dict[str, object]] = []
    places = {}
    for name in item.layers:
        hasher = Hasher()
        first = b""
        for chunk in layout.chunks(name):
            first = first or chunk[:4]
            hasher.update(chunk)
        suffix = "+gzip" if first.startswith(b"\x1f\x8b") else "+zstd" if first == b"\x28\xb5\x2f\xfd" else ""
        digest = hasher.digest()
        places[digest] = name
        layers.append({"mediaType": _TAR + suffix, "digest": str(digest), "size": layout.size(name)})
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
        "layers": layers,
    }
    return msgspec.json.encode(document), places


def _chosen(names: Sequence[tuple[str, ...]], wanted: str, path: str) -> list[int]:
    """The positions of the images that ``wanted`` means."""
    if wanted[:1] == "@" and wanted[1:].isascii() and wanted[1:].isdigit():
        found = [int(wanted[1:])] if int(wanted[1:]) < len(names) else []
    else:
        whole = _reference(wanted)
        found = [
            position
            for position, known in enumerate(names)
            if wanted in known or (whole is not None and whole in _references(known))
        ]
    if not found:  # a name without its registry will do where it is clear
        ends = [position for position, known in enumerate(names) if any(name.endswith(f"/{wanted}") for name in known)]
        found = ends if len(ends) == 1 else []
    if found:
        return found
    shown = [name for known in names for name in known if name][:8]
    why = f"it has {', '.join(shown)}" if shown else f"it has {len(names)} without names: @0 is the first"
    raise NotFound(f"'{path}' holds no image '{wanted}'", why=why, hint="name one of those")


def _choose(index: Index, platform: str | None, path: str) -> Descriptor:
    wanted = Platform.parse(platform) if platform else here()
    if len(index.manifests) == 1 and platform is None:
        return index.manifests[0]
    return choose(index, wanted, path, strict=platform is not None)


def _blob(layout: Layout, item: Descriptor, path: str) -> bytes:
    data = layout.read(_place(item.digest))
    _verify(data, item.digest, _place(item.digest), path)
    return data


def _verify(data: bytes, digest: Digest, place: str, path: str) -> None:
    hasher = digest.hasher()
    hasher.update(data)
    if hasher.digest() != digest:
        raise DigestMismatch(f"'{path}' was damaged", why=f"'{place}' has the digest {hasher.digest()}")


def _place(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _annotated(item: Descriptor) -> str:
    return next(iter(_oci_names(item)), "")


def _oci_names(item: Descriptor) -> tuple[str, ...]:
    keys = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
    return tuple(name for key in keys if (name := item.annotations.get(key)))


def _references(texts: Iterable[str]) -> tuple[Reference, ...]:
    return tuple(reference for text in texts if (reference := _reference(text)) is not None)


def _reference(text: str) -> Reference | None:
    """The name in an annotation; a bare tag (as skopeo writes it) names nothing."""
    if "/" not in text and ":" not in text:
        return None
    try:
        found = Reference.parse(text)
    except InvalidName:
        return None
    return found if found.digest is None else None
