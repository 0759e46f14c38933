"""A packed image whose file system is mounted: an image of one layer, that mount. It has no digest, as a directory."""

from __future__ import annotations

from wherry.base.digest import Digest
from wherry.image.local import Image
from wherry.image.model import OCI_CONFIG, OCI_MANIFEST, Descriptor, Manifest
from wherry.image.packed import PackedImage
from wherry.store import Layer, LayerMeta

__all__ = ["open_mounted"]

_NONE = Digest("sha256", "0" * 64)


def open_mounted(facts: PackedImage, tree: str) -> Image:
    """The image in the file that is mounted at ``tree``; its reference is the file's path."""
    return Image(
        reference=facts.path,
        digest=_NONE,
        media_type=OCI_MANIFEST,
        manifest=Manifest(OCI_MANIFEST, Descriptor(OCI_CONFIG, _NONE, 0), ()),
        config=facts.config,
        layers=(Layer("", tree, "", LayerMeta(_NONE, 0, 0, 0, overlay=True, rebuildable=False)),),
    )
