"""A tree on its way from one place to another: read as items, framed for a pipe, written below a directory.

The writer trusts no item: names are single components, and below the destination no symbolic link is ever followed, so
a container that swaps a directory for a link while it is copied gains nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import msgspec

from wherry.base.errors import Conflict, NotFound, WherryError, reason, remedy
from wherry.containers.trees import remove_at

__all__ = [
    "AS_IT_IS",
    "Content",
    "Cut",
    "Entry",
    "Item",
    "copied_name",
    "kind_on_disk",
    "read_tree",
    "receive",
    "send",
    "stays",
    "take",
    "write_tree",
]

_CHUNK = 1 << 20

AS_IT_IS = -1
"""The mode of a directory that is left as it is, and has the usual one where it is new."""


class Cut(WherryError):
    """The stream ended too early: the consequence of what went wrong at its other end, which says more."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One thing of a tree. ``path`` are its components below the copied thing (none: the thing itself).

    ``kind`` is ``dir``, ``file``, ``link``, or ``hard`` (a further name of the file at ``target`` below the top, which
    came before); ``size`` bytes of content follow a file; ``name`` is set on the first item: what the copied thing is
    called, empty when only the content of a directory is meant (``PATH/.``).
    """

    path: tuple[str, ...]
    kind: str
    mode: int
    mtime_ns: int
    size: int = 0
    target: str = ""
    name: str = ""


Content = Iterator[bytes]
Entry = tuple[Item, Content]


def read_tree(path: str) -> Iterator[Entry]:
    """The thing at ``path`` and all below it; a symbolic link is copied as one, unless ``path`` ends with a slash.

    Sockets, pipes and devices are passed over, and refused where they are all. Raises :class:`NotFound`,
    :class:`WherryError`.
    """
    name = copied_name(path)
    follow = not name or path.endswith("/")
    real = path.rstrip("/") or "/"
    try:
        found = os.stat(real) if follow else os.lstat(real)
    except OSError as error:
        raise NotFound(f"cannot copy '{path}'", why=reason(error), hint=remedy(error)) from None
    if not follow and stat.S_ISLNK(found.st_mode):
        yield Item((), "link", 0o777, found.st_mtime_ns, 0, os.readlink(real), name), iter(())
        return
    check_kind(path, found.st_mode)
    yield from _walk(real, (), found, name)


def copied_name(path: str) -> str:
    """What the thing at ``path`` is called where it goes; empty when only the content of a directory is meant."""
    return "" if path.rstrip("/").endswith("/.") or path in (".", "./") else os.path.basename(path.rstrip("/"))


def send(entries: Iterable[Entry], pipe: IO[bytes]) -> None:
    """Frame a tree: for each item its length (8 bytes, little-endian), the item, then exactly ``size`` bytes."""
    encoder = msgspec.msgpack.Encoder()
    for item, content in entries:
        _frame(pipe, encoder.encode(_safe(item)))
        left = item.size
        for chunk in content:
            pipe.write(chunk[:left])
            left -= min(left, len(chunk))
        while left > 0:  # the file shrank while it was read
            pipe.write(bytes(min(left, _CHUNK)))
            left -= min(left, _CHUNK)
    _frame(pipe, b"")
    pipe.flush()


def receive(pipe: IO[bytes]) -> Iterator[Entry]:
    """What :func:`send` framed; raises :class:`Cut` when the stream is."""
    decoder = msgspec.msgpack.Decoder(Item)
    while True:
        size = int.from_bytes(_exactly(pipe, 8), "little")
        if size == 0:
            return
        item = _unsafe(decoder.decode(_exactly(pipe, size)))
        left = [item.size]

        def content(left: list[int] = left) -> Content:
            while left[0] > 0:
                chunk = _exactly(pipe, min(left[0], _CHUNK))
                left[0] -= len(chunk)
                yield chunk

        yield item, content()
        for _ in content():  # what the writer did not want
            pass


def take(entries: Iterator[Entry], destination: str, kind_of: Callable[[str], str]) -> tuple[str, Iterator[Entry]]:
    """Docker's rules: where the copied thing goes when ``destination`` was asked for.

    ``kind_of`` says what is there: ``dir``, ``file`` or nothing. Returns the path and all entries.
    """
    top = next(entries, None)
    if top is None:
        raise WherryError(f"nothing came to be copied to '{destination}'")
    first, content = top

    def whole() -> Iterator[Entry]:
        yield first, content
        yield from entries

    there = kind_of(destination)
    if first.mode == AS_IT_IS and there != "dir":
        why = "it is a file" if there else "there is no such directory"
        raise NotFound(f"cannot unpack an archive into '{destination}'", why=why, hint="name a directory that exists")
    if there == "dir":
        if first.kind == "dir" and not first.name:
            return destination, whole()
        path = f"{destination.rstrip('/')}/{first.name}"
        if first.kind != "dir" and kind_of(path) == "dir":
            raise Conflict(f"cannot copy over '{path}'", why="it is a directory")
        return path, whole()
    if there == "file" and (first.kind == "dir" or destination.endswith("/")):
        raise Conflict(f"cannot copy a directory to '{destination}'", why="it is a file")
    if first.kind != "dir" and destination.endswith("/"):
        raise NotFound(f"there is no directory '{destination}'", hint="make it first, or leave out the last slash")
    parent = os.path.dirname(destination.rstrip("/")) or "."
    if kind_of(parent) != "dir":
        raise NotFound(f"cannot copy to '{destination}'", why=f"there is no directory '{parent}'")
    return destination.rstrip("/") or "/", whole()


def write_tree(entries: Iterator[Entry], destination: str) -> None:
    """Write a tree to ``destination`` on a file system that this process sees; see :func:`take`.

    Of a new thing nothing stays when it fails; where there was a directory before, the error says what stays.
    """
    path, whole = take(entries, destination, kind_on_disk)
    parent, name = os.path.split(path.rstrip("/") or "/")
    times: list[tuple[tuple[str, ...], int, int]] = []
    base = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    new = bool(name) and not _exists(base, name)
    try:
        for item, content in whole:
            parts = (name, *item.path) if name else item.path
            check_parts(item.path)
            with _folder(base, parts[:-1]) as folder:
                if item.kind == "hard":
                    _link(base, (*parts[: len(parts) - len(item.path)], *item.target.split("/")), folder, parts[-1])
                else:
                    _write(folder, parts[-1] if parts else ".", item, content)
            if item.kind == "dir" and item.mode != AS_IT_IS:
                times.append((parts, item.mode, item.mtime_ns))
        for parts, mode, mtime_ns in reversed(times):
            with _folder(base, parts) as folder:
                os.fchmod(folder, mode)
                with contextlib.suppress(OSError):
                    os.utime(folder, ns=(mtime_ns, mtime_ns))
    except BaseException as error:
        if new:
            with contextlib.suppress(OSError):
                remove_at(base, name)
        if isinstance(error, OSError):
            error = WherryError(f"cannot copy to '{destination}'", why=reason(error))
        if isinstance(error, WherryError) and not new:
            raise stays(error, destination) from None
        raise error from None
    finally:
        os.close(base)


def stays(error: WherryError, destination: str) -> WherryError:
    """The same error, which says too that a part was copied into what was there before."""
    error.hint = error.hint or f"what was copied before that stays in '{destination}'"
    return error


def check_kind(path: str, mode: int) -> None:
    """Raise :class:`WherryError` for what is neither a file, a directory nor a symbolic link."""
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    for is_kind, words in kinds:
        if is_kind(mode):
            raise WherryError(f"cannot copy '{path}'", why=f"it is {words}, which holds nothing that can be copied")


def _exists(base: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=base, follow_symlinks=False)
    except OSError:
        return False
    return True


def kind_on_disk(path: str) -> str:
    try:
        return "dir" if stat.S_ISDIR(os.stat(path).st_mode) else "file"
    except OSError:
        return ""


def check_parts(parts: tuple[str, ...]) -> None:
    """Raise unless each is one name: what comes out of a container is not trusted."""
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise WherryError(f"'{'/'.join(parts)}' is not copied", why="it is no path below the copied directory")


def _walk(real: str, parts: tuple[str, ...], found: os.stat_result, name: str) -> Iterator[Entry]:
    mode = stat.S_IMODE(found.st_mode) & 0o1777
    if stat.S_ISREG(found.st_mode):
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise WherryError(f"cannot copy '{real}'", why=reason(error)) from None
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            yield Item(parts, "file", mode, found.st_mtime_ns, size, "", name), _content(file, size, real)
        return
    if not stat.S_ISDIR(found.st_mode):
        return
    yield Item(parts, "dir", mode, found.st_mtime_ns, 0, "", name), iter(())
    try:
        entries = sorted(os.scandir(real), key=lambda entry: entry.name)
    except OSError as error:
        raise WherryError(f"cannot copy '{real}'", why=reason(error)) from None
    for entry in entries:
        below = (*parts, entry.name)
        try:
            inner = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(inner.st_mode):
                yield Item(below, "link", 0o777, inner.st_mtime_ns, 0, os.readlink(entry.path)), iter(())
                continue
        except FileNotFoundError:
            continue
        yield from _walk(entry.path, below, inner, "")


def _content(file: IO[bytes], size: int, real: str) -> Content:
    while size > 0:
        try:
            chunk = file.read(min(size, _CHUNK))
        except OSError as error:
            raise WherryError(f"cannot read '{real}'", why=reason(error)) from None
        if not chunk:
            return
        size -= len(chunk)
        yield chunk


def _write(folder: int, name: str, item: Item, content: Content) -> None:
    if item.kind == "dir":
        try:
            os.mkdir(name, 0o755 if item.mode == AS_IT_IS else 0o700, dir_fd=folder)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode) and name != ".":
                raise
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    if item.kind == "link":
        os.symlink(item.target, name, dir_fd=folder)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb", buffering=0) as file:
            for chunk in content:
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]
            os.fchmod(file.fileno(), item.mode)
    with contextlib.suppress(OSError):
        os.utime(name, ns=(item.mtime_ns, item.mtime_ns), dir_fd=folder, follow_symlinks=False)


def _link(base: int, target: tuple[str, ...], folder: int, name: str) -> None:
    check_parts(target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    with _folder(base, target[:-1]) as there:
        os.link(target[-1], name, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)


@contextlib.contextmanager
def _folder(base: int, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of the directory ``parts`` below ``base``; no component may be a symbolic link."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=base)
    try:
        for part in parts:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _frame(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(8, "little"))
    pipe.write(data)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise Cut("the copy was cut", why="the container ended, or its processes were killed")
    return data


def _safe(item: Item) -> Item:
    """Names that are not UTF-8 travel as Latin-1 behind a mark; msgpack texts are UTF-8."""
    return msgspec.structs.replace(
        item, path=tuple(map(_pack, item.path)), target=_pack(item.target), name=_pack(item.name)
    )


def _unsafe(item: Item) -> Item:
    return msgspec.structs.replace(
        item, path=tuple(map(_unpack, item.path)), target=_unpack(item.target), name=_unpack(item.name)
    )


def _pack(text: str) -> str:
    return os.fsencode(text).decode("latin-1")


def _unpack(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))
