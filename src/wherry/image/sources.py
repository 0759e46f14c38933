"""Where an image is, as people write it: skopeo's ``TRANSPORT:DETAILS`` (containers-transports(5)) and URLs. Pure."""

from __future__ import annotations

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName, UsageError
from wherry.base.reference import PLAIN_TRANSPORTS, SLASHED_TRANSPORTS

__all__ = ["FILES", "Source", "parse_checksum", "parse_source"]

FILES = ("oci", "oci-archive", "docker-archive", "dir", "sif", "file")
"""Transports whose place is a path."""

_NAMED = ("oci", "oci-archive", "docker-archive")
"""Those that may hold several images; a name may follow the path."""

_REFUSED = {
    "library": (
        "the Sylabs library has an interface of its own",
        "pull it there with 'singularity pull', run the file",
    ),
    "shub": ("Singularity Hub was closed in 2021", "ask its author for the file, or for its name in a registry"),
    "instance": ("a running instance is not an image", "wherry exec NAME COMMAND"),
    "ftp": ("only https:// (with a checksum also http://) is fetched from", "fetch it yourself, and name the file"),
    "s3": ("only https:// (with a checksum also http://) is fetched from", "fetch it yourself, and name the file"),
    "ostree": ("its place is a repository of OSTree", "skopeo copy ostree:... oci:DIR"),
    "tarball": ("it is made of a tar archive anew each time", "wherry import FILE NAME"),
    "atomic": ("OpenShift's own transport is not spoken", "docker://REGISTRY/NAME"),
}


class Source(msgspec.Struct, frozen=True):
    """``transport`` as written, ``url`` for http and https; ``place`` what it leads to: a registry's name, a path as
    spelled, a URL. ``name`` chooses an image within: a tag or name, or ``@N``, counted from 0. ``checksum`` is that of
    the bytes of a URL."""

    transport: str
    place: str
    name: str = ""
    checksum: Digest | None = None

    @property
    def is_path(self) -> bool:
        return self.transport in FILES

    @property
    def familiar(self) -> str:
        """As it is written, like a reference's."""
        return str(self)

    def __str__(self) -> str:
        if self.transport in ("url", "file"):
            return self.place
        slashes = "//" if self.transport in ("docker", "oras") else ""
        return f"{self.transport}:{slashes}{self.place}" + (f":{self.name}" if self.name else "")


def parse_source(text: str) -> Source | None:
    """What ``text`` says with a transport or as a URL; None for a plain name or path.

    Raises :class:`InvalidName` for one that leads nowhere, :class:`UsageError` for one that is not spoken here.
    """
    transport, colon, rest = text.partition(":")
    if transport in SLASHED_TRANSPORTS and rest.startswith("//"):
        rest = rest[2:]
    elif not colon or transport not in PLAIN_TRANSPORTS:
        return None
    if transport in _REFUSED:
        why, hint = _REFUSED[transport]
        raise UsageError(f"'{text}' cannot be used", why=why, hint=hint)
    if transport in ("http", "https"):
        return _url(text)
    place, name = rest, ""
    if transport in _NAMED:
        place, _, name = rest.partition(":")
    elif transport == "file":
        place = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
    if not place:
        kind = "path" if transport in FILES else "name"
        raise InvalidName(f"'{text}' names no image", why=f"a {kind} has to follow '{transport}:'")
    return Source(transport, place, name)


def parse_checksum(text: str) -> Digest:
    """``sha256:HEX``, ``sha256=HEX`` or the digits alone; raise :class:`InvalidName`."""
    algorithm, _, digits = text.replace("=", ":", 1).rpartition(":")
    try:
        return Digest.parse(f"{algorithm or 'sha256'}:{digits.lower()}")
    except InvalidName as error:
        hint = "sha256:, then the 64 digits that 'sha256sum FILE' prints"
        raise InvalidName(f"'{text}' is not a checksum", why=error.why, hint=hint) from None


def _url(text: str) -> Source:
    address, _, fragment = text.partition("#")
    host = address.partition("://")[2].partition("/")[0]
    if not host or not address.isprintable() or " " in address:
        raise InvalidName(f"'{text}' is not a web address")
    if not fragment:
        return Source("url", address)
    return Source("url", address, "", parse_checksum(fragment))
