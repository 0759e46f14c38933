"""Which image is meant by a peer's word: a file or directory, or a place with its scheme in front."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound, UsageError
from wherry.base.outside import Outside

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = ["Meant", "allow_http", "image_meant", "scheme_of"]

_REFUSED = {
    "library": "the Sylabs library speaks a protocol of its own",
    "shub": "Singularity Hub was closed in 2021",
    "ipfs": "IPFS is not spoken",
}
_PLACES = ("docker", "oras", "http", "https")
_LOCAL = ("oci", "oci-archive", "docker-archive", "docker-daemon")
"""Schemes that may be followed by a colon alone; the manuals also write them with two slashes."""


_SUFFIXES = (".sif", ".simg", ".img", ".sqfs", ".squashfs", ".tar", ".gz")
"""Of what is meant to be a file, and is no image of a registry."""


class Meant(msgspec.Struct, frozen=True):
    """``name`` is what :func:`wherry.containers.resolve` takes; ``shown`` what programs inside are told."""

    name: str
    shown: str


def allow_http(world: World, meant: Meant) -> None:
    """``--no-https``: the registry of this image may be reached by plain http, for this command."""
    from wherry.containers import reference_of

    scheme = scheme_of(meant.shown)
    if scheme in ("docker", "oras"):
        host = reference_of(world, meant.name.removeprefix("oras://")).registry
        world.settings = world.settings.with_flag(f"registry.{host}.insecure", True, "--no-https")


def scheme_of(text: str) -> str:
    """``docker`` of ``docker://debian:12``, ``oci-archive`` of ``oci-archive:x.tar``; empty for a path."""
    scheme, colon, rest = text.partition(":")
    if not colon or "/" in scheme:
        return ""
    return scheme if rest.startswith("//") or scheme in _LOCAL else ""


def image_meant(text: str, outside: Outside) -> Meant:
    """Raise :class:`NotFound` for a file that is not there, :class:`UsageError` for a place that is not reached."""
    if not text:
        raise UsageError("the image's name is empty", hint="is a variable of your shell unset?")
    scheme = scheme_of(text)
    if scheme in _REFUSED:
        hint = "pull it with the peer's own program, and run the file; or use docker:// or oras://"
        raise UsageError(f"cannot reach '{text}'", why=_REFUSED[scheme], hint=hint)
    if scheme in _LOCAL:
        return Meant(f"{scheme}:{text.removeprefix(f'{scheme}:').removeprefix('//')}", text)
    if scheme in _PLACES:
        return Meant(text.removeprefix("docker://"), text)
    if scheme:
        raise UsageError(f"'{text}' has an unknown scheme", hint=f"known are: {', '.join((*_PLACES, *_LOCAL))}")
    path = posixpath.normpath(text if text.startswith("/") else posixpath.join(outside.cwd(), text))
    if not os.path.exists(path):
        is_path = text.startswith((".", "/")) or posixpath.splitext(text)[1] in _SUFFIXES
        raise NotFound(
            f"there is no image '{text}'",
            why=f"'{path}' does not exist",
            hint="check the spelling of the path" if is_path else f"an image of a registry is docker://{text}",
        )
    return Meant(f"{path}/" if os.path.isdir(path) else path, path)
