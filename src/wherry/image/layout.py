"""Reading image archives: a folder, or a tar file whose members are read in place.

The OCI image layout (image-layout.md), what ``docker save`` writes, or skopeo's ``dir:``: pieces by their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Protocol

import msgspec

from wherry.base.errors import BrokenArchive

__all__ = ["FolderLayout", "Layout", "TarLayout", "looks_compressed"]

_MOST_MEMBERS = 100_000
_LARGEST_DOCUMENT = 64 << 20
_LARGEST_HEADER = 1 << 20
_CHUNK = 1 << 18


class Layout(Protocol):
    """Named pieces of an archive."""

    def has(self, name: str) -> bool: ...

    def size(self, name: str) -> int: ...

    def read(self, name: str) -> bytes:
        """A small piece, whole. Raises :class:`BrokenArchive` when it is missing or large."""

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class FolderLayout:
    """An OCI layout as a folder."""

    def __init__(self, path: str) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        return os.path.isfile(self._place(name))

    def size(self, name: str) -> int:
        return os.stat(self._place(name)).st_size

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise BrokenArchive(f"'{self._path}' is not a complete image", why=f"'{name}' is missing")
        if self.size(name) > _LARGEST_DOCUMENT:
            raise BrokenArchive(f"'{self._path}' cannot be read", why=f"'{name}' is too large")
        with open(self._place(name), "rb") as file:
            return file.read()

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]:
        if not self.has(name):
            raise BrokenArchive(f"'{self._path}' is not a complete image", why=f"'{name}' is missing")
        with open(self._place(name), "rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(_CHUNK):
                yield chunk

    def close(self) -> None:
        return

    def _place(self, name: str) -> str:
        if ".." in name.split("/") or name.startswith("/"):
            raise BrokenArchive(f"'{self._path}' cannot be read", why=f"it names the piece '{name}'")
        return f"{self._path}/{name}"


class _Member(msgspec.Struct, frozen=True):
    offset: int
    size: int


class TarLayout:
    """An uncompressed tar; only its headers are read when it is opened. Safe for several threads."""

    def __init__(self, path: str) -> None:
        import tarfile

        self._path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self._members: dict[str, _Member] = {}
        links: dict[str, str] = {}
        try:
            with tarfile.open(fileobj=_Headers(self._file, path), mode="r:") as archive:  # type: ignore[call-overload]
                for count, member in enumerate(archive):
                    if count >= _MOST_MEMBERS:
                        raise BrokenArchive(f"'{path}' is not an image", why=f"it has over {_MOST_MEMBERS} members")
                    name = os.path.normpath(member.name)
                    if name in self._members or name in links:
                        raise BrokenArchive(f"'{path}' is not read", why=f"it has '{name}' twice: which one counts?")
                    if member.isreg():
                        self._members[name] = _Member(member.offset_data, member.size)
                    elif member.islnk():
                        links[name] = os.path.normpath(member.linkname)
                    elif member.issym():  # 'docker save' links equal layers so
                        links[name] = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
        except (tarfile.TarError, EOFError) as error:
            self._file.close()
            hint = "an image is a file that 'docker save', 'podman save' or 'wherry save' made, or an OCI layout"
            raise BrokenArchive(f"'{path}' is not an image, or not all of it", why=str(error), hint=hint) from error
        except BaseException:
            self._file.close()
            raise
        for name, target in links.items():
            if target in self._members:
                self._members[name] = self._members[target]

    def has(self, name: str) -> bool:
        return os.path.normpath(name) in self._members

    def size(self, name: str) -> int:
        return self._member(name).size

    def read(self, name: str) -> bytes:
        if self.size(name) > _LARGEST_DOCUMENT:
            raise BrokenArchive(f"'{self._path}' cannot be read", why=f"'{name}' is too large")
        return b"".join(self.chunks(name))

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]:
        member = self._member(name)
        position, end = member.offset + offset, member.offset + member.size
        while position < end:
            chunk = os.pread(self._file.fileno(), min(_CHUNK, end - position), position)
            if not chunk:
                raise BrokenArchive(f"'{self._path}' cannot be read", why="it ends too early")
            position += len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()

    def _member(self, name: str) -> _Member:
        found = self._members.get(os.path.normpath(name))
        if found is None:
            raise BrokenArchive(f"'{self._path}' is not a complete image", why=f"'{name}' is missing")
        return found


class _Headers:
    """A tar for who reads its headers only: one that claims to be huge would be held in memory."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER:
            raise BrokenArchive(f"'{self._path}' is not an image", why=f"it has a header of {size} bytes")
        return self._file.read(size)


def looks_compressed(path: str) -> bool:
    """Whether the file is a compressed archive, by its first bytes."""
    with open(path, "rb") as file:
        first = file.read(6)
    return first.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"))
