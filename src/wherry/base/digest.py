"""Digests: ``algorithm:hex``, the name of every immutable object (OCI image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import InvalidName

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash

__all__ = ["Digest", "Hasher"]

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")
_SMALL = 64 * 1024


class Digest(msgspec.Struct, frozen=True, order=True):
    """A digest; ``str()`` gives ``sha256:...``."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex``; raise :class:`InvalidName` unless sha256 or sha512, lower case, of full length."""
        algorithm, separator, hexadecimal = text.partition(":")
        if not separator or _HEX_LENGTH.get(algorithm) != len(hexadecimal) or not _HEX.issuperset(hexadecimal):
            raise InvalidName(
                f"'{text}' is not a digest",
                why="expected sha256: and 64 (sha512: and 128) lower-case hexadecimal digits",
            )
        return cls(algorithm, hexadecimal)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The sha256 of ``data``."""
        return cls("sha256", _sha256_of(data))

    def hasher(self) -> Hasher:
        """A running hash of this digest's algorithm, to compare arriving bytes with it."""
        return Hasher(self.algorithm)

    def is_of(self, data: bytes) -> bool:
        """Whether ``data`` has this digest."""
        found = _sha256_of(data) if self.algorithm == "sha256" else _new(self.algorithm, data).hexdigest()
        return found == self.hex

    def is_of_file(self, path: str) -> bool:
        """Whether the file's bytes have this digest."""
        hasher = self.hasher()
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
        return hasher.digest() == self

    @property
    def short(self) -> str:
        """Twelve hex digits, as tables show them."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


class Hasher:
    """A running hash that ends as a :class:`Digest`."""

    __slots__ = ("_algorithm", "_hash", "update")

    def __init__(self, algorithm: str = "sha256") -> None:
        self._algorithm = algorithm
        self._hash = _new(algorithm)
        self.update = self._hash.update

    def digest(self) -> Digest:
        return Digest(self._algorithm, self._hash.hexdigest())


def _sha256_of(data: bytes) -> str:
    """Python's own implementation for small data: it is slower, but loading OpenSSL takes 2.5 ms."""
    if len(data) <= _SMALL and "hashlib" not in sys.modules and (own := _own_sha256()) is not None:
        return own(data).hexdigest()
    return _new("sha256", data).hexdigest()


@cache
def _own_sha256() -> Callable[[bytes], _Hash] | None:
    for name in ("_sha2", "_sha256"):  # since 3.12, and before; some distributions leave them out
        try:
            found: Callable[[bytes], _Hash] = __import__(name).sha256
        except ImportError:  # to look for a module that is not there takes a while, each time
            continue
        return found
    return None


def _new(algorithm: str, data: bytes = b"") -> _Hash:
    import hashlib  # loads OpenSSL, which a start that only looks names up does not need

    return hashlib.new(algorithm, data)
