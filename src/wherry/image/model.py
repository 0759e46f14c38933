"""Manifests, indexes and configurations (OCI image-spec 1.1: manifest.md, image-index.md, config.md; Docker schema 2).

Reading is tolerant where real registries are loose (nulls for empty lists, unknown fields), strict where a wrong value
would be acted on (digests, sizes, what a field is). The bytes are kept as they came; these values are never written
back, so nothing is lost on a push.
"""

# Without 'from __future__ import annotations': msgspec would compile each annotation's text, in every start.
from typing import Any, TypeVar

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import ImageError, InvalidName, UnsupportedImage

__all__ = [
    "DOCKER_CONFIG",
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "ContainerConfig",
    "Descriptor",
    "HistoryEntry",
    "ImageConfig",
    "Index",
    "Manifest",
    "PlatformFields",
    "RootFilesystem",
    "chain_ids",
    "read_config",
    "read_document",
    "read_manifest",
]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

_SIF_CONFIG = "application/vnd.sylabs.sif.config.v1+json"

T = TypeVar("T")
_MOST_LAYERS = 1000


class PlatformFields(msgspec.Struct, frozen=True):
    """The ``platform`` of a descriptor, as it stands there."""

    architecture: str = ""
    os: str = ""
    variant: str | None = None


class Descriptor(msgspec.Struct, frozen=True):
    """Names a blob; ``size`` in bytes (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    platform: PlatformFields | None = None
    annotations: dict[str, str] = {}
    artifact_type: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """An image: a configuration and layers, bottom first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}
    artifact_type: str = ""


class Index(msgspec.Struct, frozen=True):
    """Manifests of one image for several platforms (Docker: manifest list)."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}


class ContainerConfig(msgspec.Struct, frozen=True):
    """How a container of the image is run by default; None and empty mean the same: not said."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    healthcheck: dict[str, Any] = {}
    on_build: tuple[str, ...] = ()


class RootFilesystem(msgspec.Struct, frozen=True):
    type: str
    diff_ids: tuple[Digest, ...]


class HistoryEntry(msgspec.Struct, frozen=True):
    """One step of a build; an ``empty_layer`` one changed no file."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True):
    """The image's configuration; ``architecture`` and ``os`` with Go's names, ``created`` in RFC 3339."""

    architecture: str
    os: str
    config: ContainerConfig
    rootfs: RootFilesystem
    variant: str = ""
    created: str = ""
    author: str = ""
    history: tuple[HistoryEntry, ...] = ()


class _DescriptorWire(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    platform: PlatformFields | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None


class _DocumentWire(msgspec.Struct, rename="camel"):
    schema_version: int = 2
    media_type: str | None = None
    config: _DescriptorWire | None = None
    layers: list[_DescriptorWire] | None = None
    manifests: list[_DescriptorWire] | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None


class _ContainerWire(msgspec.Struct, rename="pascal"):
    user: str | None = None
    env: list[str] | None = None
    entrypoint: list[str] | str | None = None
    cmd: list[str] | str | None = None
    working_dir: str | None = None
    volumes: dict[str, Any] | None = None
    exposed_ports: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    shell: list[str] | None = None
    healthcheck: dict[str, Any] | None = None
    on_build: list[str] | None = None


class _RootWire(msgspec.Struct):
    type: str | None = None
    diff_ids: list[str] | None = None


class _HistoryWire(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _ConfigWire(msgspec.Struct):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    created: str | None = None
    author: str | None = None
    config: _ContainerWire | None = None
    rootfs: _RootWire | None = None
    history: list[_HistoryWire] | None = None


def read_document(data: bytes, media_type: str, subject: str) -> Manifest | Index:
    """What a registry calls a manifest: an image's own or an index of several.

    Raises :class:`ImageError` when it is malformed, :class:`UnsupportedImage` when it is something else.
    """
    wire = _decode(data, _DocumentWire, f"the manifest of '{subject}'")
    kind = wire.media_type or media_type
    if wire.manifests is not None and wire.layers is not None:
        # One document that two readers take for different things (CVE-2021-41190).
        raise ImageError(f"the manifest of '{subject}' is ambiguous", why="it has both layers and manifests")
    if kind in (OCI_INDEX, DOCKER_LIST) or (wire.manifests is not None and not kind):
        manifests = tuple(_descriptor(item, subject) for item in wire.manifests or ())
        return Index(kind or OCI_INDEX, manifests, wire.annotations or {})
    if wire.config is None or wire.layers is None or wire.schema_version != 2:
        why = f"its manifest is '{kind}'" if kind else "its manifest names no layers"
        raise UnsupportedImage(f"'{subject}' is not a container image", why=why)
    if len(wire.layers) > _MOST_LAYERS:
        raise ImageError(f"'{subject}' has {len(wire.layers)} layers", why=f"more than {_MOST_LAYERS} are refused")
    layers = tuple(_descriptor(item, subject) for item in wire.layers)
    config = _descriptor(wire.config, subject)
    return Manifest(kind or OCI_MANIFEST, config, layers, wire.annotations or {}, wire.artifact_type or "")


def read_manifest(data: bytes, media_type: str, subject: str) -> Manifest:
    """As :func:`read_document`, of an image that must not be an index."""
    found = read_document(data, media_type, subject)
    if isinstance(found, Index):
        raise ImageError(f"the manifest of '{subject}' is an index", why="an index within an index is not followed")
    return found


def read_config(data: bytes, manifest: Manifest, subject: str) -> ImageConfig:
    """The image's configuration; raises :class:`UnsupportedImage` when the manifest is of no container image."""
    kind = manifest.config.media_type
    if kind not in (OCI_CONFIG, DOCKER_CONFIG, "", "application/octet-stream"):
        what = manifest.artifact_type or kind
        hint = f"wherry run oras://{subject.removeprefix('oras://')}" if kind == _SIF_CONFIG else ""
        why = f"it is an artifact of type '{what}'"
        raise UnsupportedImage(f"'{subject}' is not a container image", why=why, hint=hint)
    wire = _decode(data, _ConfigWire, f"the configuration of '{subject}'")
    diff_ids = tuple(_digest(text, subject) for text in (wire.rootfs.diff_ids if wire.rootfs else None) or ())
    if len(diff_ids) != len(manifest.layers):
        why = f"its manifest has {len(manifest.layers)} layers, its configuration {len(diff_ids)}"
        raise ImageError(f"'{subject}' contradicts itself", why=why)
    container = wire.config or _ContainerWire()
    return ImageConfig(
        architecture=wire.architecture or "",
        os=wire.os or "",
        variant=wire.variant or "",
        created=wire.created or "",
        author=wire.author or "",
        config=ContainerConfig(
            user=container.user or "",
            env=tuple(container.env or ()),
            entrypoint=_words(container.entrypoint),
            cmd=_words(container.cmd),
            working_dir=container.working_dir or "",
            volumes=tuple(container.volumes or ()),
            exposed_ports=tuple(container.exposed_ports or ()),
            labels=container.labels or {},
            stop_signal=container.stop_signal or "",
            shell=tuple(container.shell or ()),
            healthcheck=container.healthcheck or {},
            on_build=tuple(container.on_build or ()),
        ),
        rootfs=RootFilesystem((wire.rootfs.type if wire.rootfs else None) or "layers", diff_ids),
        history=tuple(
            HistoryEntry(h.created or "", h.created_by or "", h.author or "", h.comment or "", bool(h.empty_layer))
            for h in wire.history or ()
        ),
    )


def chain_ids(diff_ids: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """The chain id of each layer (config.md, "Layer ChainID"): what a layer is, given all below it."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def _words(value: list[str] | str | None) -> tuple[str, ...]:
    """Some old builders wrote a plain text where a list belongs; it is one word."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _descriptor(wire: _DescriptorWire, subject: str) -> Descriptor:
    if not 0 <= wire.size < 1 << 63:
        raise ImageError(f"the manifest of '{subject}' is malformed", why=f"'{wire.digest}' has the size {wire.size}")
    return Descriptor(
        wire.media_type,
        _digest(wire.digest, subject),
        wire.size,
        wire.platform,
        wire.annotations or {},
        wire.artifact_type or "",
    )


def _digest(text: str, subject: str) -> Digest:
    try:
        return Digest.parse(text)
    except InvalidName as error:
        raise ImageError(f"the manifest of '{subject}' is malformed", why=f"{error.what}") from None


def _decode(data: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"{what} is malformed", why=str(error)) from None
