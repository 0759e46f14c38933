"""An unpacked image: a directory that holds a root file system, on CVMFS or elsewhere, used where it lies.

Nothing of it is copied, changed or measured: it has no digest, and what it holds is its owner's business. Directories
that Apptainer or Singularity made say in ``.singularity.d`` which variables the image had, and what it runs.
"""

from __future__ import annotations

import os

from wherry.base.digest import Digest
from wherry.base.errors import ImageError
from wherry.image.local import Image
from wherry.image.model import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    RootFilesystem,
)
from wherry.store import Layer, LayerMeta

__all__ = ["directory_of", "is_unpacked", "open_directory"]

_NONE = Digest("sha256", "0" * 64)


def is_unpacked(path: str) -> bool:
    """Whether a directory is a root file system by its looks: it has programs, and is no image in a file format."""
    formats = ("index.json", "manifest.json", "oci-layout")
    if any(os.path.lexists(f"{path}/{name}") for name in formats):
        return False
    return any(os.path.isdir(f"{path}/{name}") for name in ("bin", "usr/bin"))


def open_directory(path: str) -> Image:
    """The directory as an image of one layer; its reference is the path with a slash at its end."""
    if not is_unpacked(path):
        raise ImageError(
            f"'{path}' is not an image",
            why="it is neither an OCI layout nor a root file system (it has neither 'bin' nor 'usr/bin')",
            hint="name the directory that the image was unpacked to",
        )
    from wherry.image.apptainer import FolderFiles, container_config

    config = container_config(FolderFiles(path))
    return Image(
        reference=f"{path.rstrip('/')}/",
        digest=_NONE,
        media_type=OCI_MANIFEST,
        manifest=Manifest(OCI_MANIFEST, Descriptor(OCI_CONFIG, _NONE, 0), ()),
        config=ImageConfig("", "linux", config, RootFilesystem("layers", ())),
        layers=(Layer("", path, "", LayerMeta(_NONE, 0, 0, 0, overlay=True, rebuildable=False)),),
    )


def directory_of(image: Image) -> str:
    """The directory of an image that :func:`open_directory` gave; empty for any other."""
    return image.layers[0].tree if image.layers and not image.layers[0].key else ""
