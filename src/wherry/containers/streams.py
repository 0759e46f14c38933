"""Trees as tar streams: what ``cp CONTAINER:PATH -`` writes and ``cp - CONTAINER:PATH`` reads.

A stream is trusted no more than a container: names lead nowhere but below the directory that it is unpacked into, and
the writer (:mod:`wherry.containers.transfer`) follows no symbolic link there.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from wherry.base.errors import BrokenArchive, HostileArchive, WherryError, reason
from wherry.containers.transfer import AS_IT_IS, Content, Entry, Item

__all__ = ["read_tar", "write_tar"]

_CHUNK = 1 << 20
_NANO = 1_000_000_000


class _Member(tarfile.TarInfo):
    """tarfile takes a damaged header for the end of the archive; here it is an error."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None


def read_tar(stream: IO[bytes]) -> Iterator[Entry]:
    """The members of an archive (plain, or compressed with gzip, bzip2 or xz), below a directory that is left as it is.

    Devices, pipes and sockets are passed over. Raises :class:`BrokenArchive`, :class:`HostileArchive`.
    """
    yield Item((), "dir", AS_IT_IS, 0), iter(())
    with (
        _translated(),
        tarfile.open(
            fileobj=stream, mode="r|*", tarinfo=_Member, encoding="utf-8", errors="surrogateescape"
        ) as archive,
    ):
        yield from _members(archive)


def write_tar(entries: Iterable[Entry], stream: IO[bytes]) -> None:
    """Write a tree as an archive; its members begin with the copied thing's name, ``.`` for a directory's content."""
    top = ""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for item, content in entries:
            top = top or item.name or "."
            archive.addfile(_header("/".join((top, *item.path)), item), _Exactly(content))  # type: ignore[arg-type]


def _members(archive: tarfile.TarFile) -> Iterator[Entry]:
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = {()}
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # else it remembers a million
        path = _path(member.name)
        if not path:
            continue
        for depth in range(1, len(path)):
            if path[:depth] not in folders:
                folders.add(path[:depth])
                yield Item(path[:depth], "dir", AS_IT_IS, 0), iter(())
        mtime, mode = _mtime(member), member.mode & 0o1777
        if member.isdir():
            folders.add(path)
            yield Item(path, "dir", mode, mtime), iter(())
        elif member.issym():
            yield Item(path, "link", 0o777, mtime, 0, member.linkname), iter(())
        elif member.islnk():
            target = _path(member.linkname)
            if target not in files:
                raise HostileArchive(
                    f"the archive's '{member.name}' is refused",
                    why=f"it is a hard link to '{member.linkname}', which is no file before it in the archive",
                )
            if target != path:
                yield Item(path, "hard", mode, mtime, 0, "/".join(target)), iter(())
            files.add(path)
        elif member.isreg():
            files.add(path)
            yield Item(path, "file", mode, mtime, member.size), _content(archive, member)


def _path(name: str) -> tuple[str, ...]:
    """The components of a member's name below the top; leading ``/`` and ``.`` say nothing."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise HostileArchive(f"the archive's '{name}' is refused", why="it leads out of the directory")
    return parts


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Content:
    with _translated():
        file = archive.extractfile(member)
        while file is not None and (chunk := file.read(_CHUNK)):
            yield chunk


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of tarfile, of decompressing, and of the stream itself."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _broken(error) from None
    except Exception as error:  # zlib's and lzma's own, whose modules a Python may lack
        if type(error).__module__ not in ("zlib", "_lzma"):
            raise
        raise _broken(error) from None


def _mtime(member: tarfile.TarInfo) -> int:
    whole, _, rest = member.pax_headers.get("mtime", str(member.mtime)).partition(".")
    try:
        return int(whole) * _NANO + int(rest[:9].ljust(9, "0"))
    except ValueError:
        return 0


def _broken(error: BaseException) -> WherryError:
    why = reason(error) if isinstance(error, OSError) else str(error)
    return BrokenArchive("standard input is not a whole tar archive", why=why)


def _header(name: str, item: Item) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type = {"dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(item.kind, tarfile.REGTYPE)
    header.mode, header.size, header.linkname = item.mode, item.size, item.target
    header.uid, header.gid = os.getuid(), os.getgid()
    header.mtime, fraction = divmod(item.mtime_ns, _NANO)
    if fraction:
        header.pax_headers = {"mtime": f"{header.mtime}.{fraction:09}"}
    return header


class _Exactly:
    """Chunks as a file to read; zeros when the file shrank while it was read (tarfile wants its size)."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._left = b""

    def read(self, size: int) -> bytes:
        while not self._left:
            chunk = next(self._content, None)
            if chunk is None:
                return bytes(size)
            self._left = chunk
        given, self._left = self._left[:size], self._left[size:]
        return given + self.read(size - len(given)) if len(given) < size else given
