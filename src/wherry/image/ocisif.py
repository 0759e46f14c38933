"""OCI-SIF, as SingularityCE 4 makes it: the blobs of an OCI image as objects of a SIF file, layers as squashfs.

Each object of a blob has the blob's digest in its descriptor; the root index names the manifest.
"""

from __future__ import annotations

from collections.abc import Callable

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, DigestMismatch, UnsupportedImage
from wherry.image.model import Index, read_document
from wherry.image.sif import OCI_BLOB, OCI_INDEX, Sif, SifObject

__all__ = ["layer_and_config"]

_LAYER = "application/vnd.sylabs.image.layer.v1.squashfs"


def layer_and_config(read: Callable[[SifObject], bytes], sif: Sif, subject: str) -> tuple[SifObject, bytes]:
    """The object of the image's only layer, and the configuration.

    Raises :class:`UnsupportedImage` for several layers, which nothing here lays over each other.
    """
    (root, *_) = sif.of_kind(OCI_INDEX)
    index = read_document(read(root), "application/vnd.oci.image.index.v1+json", subject)
    if not isinstance(index, Index) or len(index.manifests) != 1:
        raise UnsupportedImage(f"'{subject}' cannot be run", why="its OCI index does not name one image")
    manifest = read_document(_blob(read, sif, index.manifests[0].digest, subject), "", subject)
    if isinstance(manifest, Index):
        raise UnsupportedImage(f"'{subject}' cannot be run", why="it has an index within an index")
    kinds = {layer.media_type for layer in manifest.layers}
    if len(manifest.layers) != 1 or kinds != {_LAYER}:
        what = (
            f"{len(manifest.layers)} layers" if kinds == {_LAYER} else f"layers of the type '{min(kinds, default='')}'"
        )
        raise UnsupportedImage(
            f"'{subject}' cannot be run",
            why=f"it is an OCI-SIF with {what}, and one squashfs is needed",
            hint="make it with one layer: singularity pull --oci (without --keep-layers)",
        )
    return _find(sif, manifest.layers[0].digest, subject), _blob(read, sif, manifest.config.digest, subject)


def _blob(read: Callable[[SifObject], bytes], sif: Sif, digest: Digest, subject: str) -> bytes:
    data = read(_find(sif, digest, subject))
    if not digest.is_of(data):
        raise DigestMismatch(f"'{subject}' was damaged", why=f"its object '{digest.short}' has another digest")
    return data


def _find(sif: Sif, digest: Digest, subject: str) -> SifObject:
    text = str(digest).encode()
    for item in sif.of_kind(OCI_BLOB):
        if item.extra.rstrip(b"\0") == text:
            return item
    raise BrokenArchive(f"'{subject}' is not a complete image", why=f"it lacks the object '{digest.short}'")
