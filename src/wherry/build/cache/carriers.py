"""Where a travelling cache lies: a tag in a registry, or a directory with an OCI image layout of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import BrokenArchive, Conflict, DigestMismatch, ImageError, NotInRegistry, reason, remedy
from wherry.build.cache.places import ARTIFACT, LARGEST, CachePlace

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.image import Descriptor
    from wherry.registry import Registry

__all__ = ["Carrier", "open_carrier"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHUNK = 1 << 18
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Carrier(Protocol):
    """One manifest and its blobs; also gives a layer's bytes, as :class:`wherry.image.LayerBytes`."""

    resumable: bool
    doing: str
    repository: str

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterable[bytes]: ...

    def manifest(self) -> bytes | None:
        """What lies there now, None where nothing does."""

    def has(self, descriptor: Descriptor) -> bool: ...

    def put(self, descriptor: Descriptor, open_stream: Callable[[], Iterable[bytes]]) -> None:
        """Bring a blob there, unless it is there."""

    def finish(self, manifest: bytes) -> None:
        """Let the manifest be what lies there, all of whose blobs are there."""


def open_carrier(world: World, place: CachePlace, progress: Progress) -> AbstractContextManager[Carrier]:
    """Contacts nobody yet."""
    return _in_folder(place.name) if place.type == "local" else _in_registry(world, place.name, progress)


def small_blob(carrier: Carrier, descriptor: Descriptor) -> bytes:
    """A whole blob, verified. Raises :class:`ImageError` for one that is too large to be what it should be."""
    if descriptor.size > LARGEST:
        raise ImageError("the cache's configuration is too large", why=f"{descriptor.size} bytes")
    return b"".join(carrier.read(descriptor, 0, descriptor.digest.hasher()))


@contextmanager
def _in_registry(world: World, name: str, progress: Progress) -> Iterator[Carrier]:
    from wherry.containers import reference_of
    from wherry.registry import connect

    reference = reference_of(world, name)
    with connect(world.settings, world.outside, progress=progress) as registry:
        yield _RegistryCarrier(registry, reference)


class _RegistryCarrier:
    resumable = True
    doing = "pulling"

    def __init__(self, registry: Registry, reference: Reference) -> None:
        self._registry = registry
        self._reference = reference
        self.repository = reference.name

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterable[bytes]:
        return self._registry.open_blob(
            self._reference, descriptor.digest, descriptor.size, offset=offset, hasher=hasher
        )

    def manifest(self) -> bytes | None:
        try:
            return self._registry.get_manifest(self._reference).data
        except NotInRegistry:
            return None

    def has(self, descriptor: Descriptor) -> bool:
        return self._registry.has_blob(self._reference, descriptor.digest)

    def put(self, descriptor: Descriptor, open_stream: Callable[[], Iterable[bytes]]) -> None:
        self._registry.push_blob(self._reference, descriptor.digest, descriptor.size, open_stream)

    def finish(self, manifest: bytes) -> None:
        self._registry.put_manifest(self._reference, MANIFEST, manifest)


class _Listed(msgspec.Struct):
    digest: str
    size: int
    media_type: str = msgspec.field(name="mediaType", default=MANIFEST)
    artifact_type: str = msgspec.field(name="artifactType", default="")


class _Index(msgspec.Struct):
    manifests: list[_Listed] = []


@contextmanager
def _in_folder(path: str) -> Iterator[Carrier]:
    yield _FolderCarrier(path)


class _FolderCarrier:
    """``oci-layout``, ``index.json`` (which names the cache's manifest), ``blobs/sha256``. Files are put in place by
    rename, the index last; after it blobs that nothing names go."""

    resumable = False
    doing = "reading"
    repository = ""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, descriptor: Descriptor, offset: int, hasher: Hasher) -> Iterator[bytes]:
        try:
            with open(self._blob(descriptor.digest), "rb", buffering=0) as file:
                file.seek(offset)
                while chunk := file.read(_CHUNK):
                    hasher.update(chunk)
                    yield chunk
        except OSError as error:
            raise BrokenArchive(f"the cache in '{self._path}' is not whole", why=reason(error)) from None
        if hasher.digest() != descriptor.digest:
            raise DigestMismatch(f"'{self._blob(descriptor.digest)}' is not what its name says")

    def manifest(self) -> bytes | None:
        index = self._index()
        if index is None or not index.manifests:
            return None
        listed = index.manifests[0]
        data = self._small(self._blob(Digest.parse(listed.digest)))
        if data is None or not Digest.parse(listed.digest).is_of(data):
            raise BrokenArchive(f"the cache in '{self._path}' is not whole", why="its manifest is missing or changed")
        return data

    def has(self, descriptor: Descriptor) -> bool:
        try:
            return os.stat(self._blob(descriptor.digest)).st_size == descriptor.size
        except OSError:
            return False

    def put(self, descriptor: Descriptor, open_stream: Callable[[], Iterable[bytes]]) -> None:
        self._require_own()
        if not self.has(descriptor):
            self._write(self._blob(descriptor.digest), open_stream())

    def finish(self, manifest: bytes) -> None:
        self._require_own()
        digest = Digest.of(manifest)
        self._write(self._blob(digest), [manifest])
        self._write(f"{self._path}/oci-layout", [_LAYOUT])
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {"mediaType": MANIFEST, "artifactType": ARTIFACT, "digest": str(digest), "size": len(manifest)}
            ],
        }
        self._write(f"{self._path}/index.json", [msgspec.json.encode(document)])
        self._remove_others(manifest, digest)

    def _index(self) -> _Index | None:
        data = self._small(f"{self._path}/index.json")
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=_Index)
        except ValueError as error:
            raise BrokenArchive(f"'{self._path}/index.json' cannot be read", why=str(error)) from None

    def _require_own(self) -> None:
        """A folder of somebody else's is not filled, and above all not cleared."""
        try:
            found = os.listdir(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error) from None
        index = self._index()
        if set(found) - {"oci-layout", "index.json", "blobs"} or any(
            listed.artifact_type != ARTIFACT for listed in (index.manifests if index else ())
        ):
            hint = "--cache-to type=local,dest=A/FOLDER/OF/ITS/OWN"
            raise Conflict(f"'{self._path}' is no build cache", why="it holds something else", hint=hint)

    def _remove_others(self, manifest: bytes, digest: Digest) -> None:
        folder = f"{self._path}/blobs/sha256"
        for name in os.listdir(folder):
            if name != digest.hex and name.encode() not in manifest:
                os.unlink(f"{folder}/{name}")

    def _write(self, path: str, chunks: Iterable[bytes]) -> None:
        work = f"{path}.partial-{os.urandom(6).hex()}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                with open(work, "xb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                os.rename(work, path)
            except BaseException:
                os.unlink(work)
                raise
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> ImageError:
        return ImageError(
            f"the cache cannot be written to '{self._path}'", why=reason(error), hint=remedy(error, write=True)
        )

    def _small(self, path: str) -> bytes | None:
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read(LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BrokenArchive(f"the cache in '{self._path}' cannot be read", why=reason(error)) from None

    def _blob(self, digest: Digest) -> str:
        return f"{self._path}/blobs/{digest.algorithm}/{digest.hex}"
