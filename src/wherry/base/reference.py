"""Image references with Docker's defaults (distribution/reference grammar; OCI distribution-spec, "Pulling manifests").

``debian`` is ``docker.io/library/debian:latest``; the first component is a registry when it holds a dot or a colon,
is ``localhost``, or has upper-case letters.
"""

from __future__ import annotations

import re

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName

__all__ = [
    "DEFAULT_REGISTRY",
    "DEFAULT_TAG",
    "PLAIN_TRANSPORTS",
    "SLASHED_TRANSPORTS",
    "TRANSPORTS",
    "Reference",
]

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

SLASHED_TRANSPORTS = ("docker", "oras", "library", "shub", "instance", "http", "https", "ftp", "s3", "file")
PLAIN_TRANSPORTS = (
    *("docker-daemon", "containers-storage", "oci", "oci-archive", "docker-archive", "dir", "sif"),
    *("ostree", "tarball", "atomic"),
)
TRANSPORTS = frozenset((*SLASHED_TRANSPORTS, *PLAIN_TRANSPORTS))
"""Words with which no name begins that has a colon behind them (``oci:DIR``, ``https://...``): they say how an image is
reached. Here, not where they are read, as each start asks and few have one."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_AS = "as debian:12, quay.io/biocontainers/samtools:1.20 or localhost:5000/lab"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
# Texts: the library compiles and keeps what is used, and listings use none.


class Reference(msgspec.Struct, frozen=True, order=True):
    """Where an image is: registry, repository, and a tag, a digest or both (then the digest decides)."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_registry: str = DEFAULT_REGISTRY) -> Reference:
        """Read a reference as Docker does; raise :class:`InvalidName` that shows what is wrong with it."""
        scheme, schemed, address = text.partition("://")
        if schemed and scheme.isalnum():
            hint = f"leave out '{scheme}://': {address}" if address else ""
            raise InvalidName(f"'{text}' is not an image reference", why="it is a web address", hint=hint)
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        slash, colon = rest.rfind("/"), rest.rfind(":")
        tag = ""
        if colon > slash:
            rest, tag = rest[:colon], rest[colon + 1 :]
            if not re.fullmatch(_TAG, tag):
                raise InvalidName(f"'{text}' is not an image reference", why=f"'{tag}' is not a tag", hint=_AS)
        first, slashed, remainder = rest.partition("/")
        if slashed and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
            registry, repository = first, remainder
        else:
            registry, repository = default_registry, rest
        if registry in ("index.docker.io", "registry-1.docker.io"):
            registry = DEFAULT_REGISTRY
        if registry == DEFAULT_REGISTRY and repository and "/" not in repository:
            repository = f"library/{repository}"
        _check(text, registry, repository)
        if not tag and digest is None:
            tag = DEFAULT_TAG
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """As a person would type it: without what Docker's defaults supply, but with the tag."""
        name = self.name.removeprefix(f"{DEFAULT_REGISTRY}/")
        name = name.removeprefix("library/") if name != self.name else name
        return name + self._suffix()

    def at(self, digest: Digest) -> Reference:
        """The same repository at exactly ``digest``."""
        return Reference(self.registry, self.repository, "", digest)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix()


def _check(text: str, registry: str, repository: str) -> None:
    if not re.fullmatch(_DOMAIN, registry):
        raise InvalidName(
            f"'{text}' is not an image reference", why=f"'{registry}' is not a registry's host name", hint=_AS
        )
    if not re.fullmatch(_REPOSITORY, repository):
        lower = repository.lower()
        hint = (
            f"did you mean '{lower.removeprefix('library/')}'?"
            if lower != repository and re.fullmatch(_REPOSITORY, lower)
            else _AS
        )
        why = f"'{repository}' is not a repository's name (lower-case letters, digits, separators)"
        raise InvalidName(f"'{text}' is not an image reference", why=why, hint=hint)
    if len(repository) > 255:
        raise InvalidName(f"'{text[:40]}...' is not an image reference", why="the name has over 255 characters")
