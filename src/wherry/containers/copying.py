"""``cp``: files into and out of a container, running or not; also as archives in a stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from wherry.base.errors import UsageError, WherryError
from wherry.containers.changes import Change
from wherry.containers.lookup import Found, find_container
from wherry.containers.ranged import is_ranged, with_all_ids
from wherry.containers.running import Running
from wherry.containers.shown import paths_of, read_shown, write_shown
from wherry.containers.streams import read_tar, write_tar
from wherry.containers.transfer import (
    Entry,
    Item,
    copied_name,
    kind_on_disk,
    read_tree,
    receive,
    send,
    take,
    write_tree,
)
from wherry.containers.world import World

__all__ = ["cp", "plan_cp"]

STREAM = "-"


def cp(source: str, target: str, *, stream: IO[bytes] | None = None, world: World | None = None) -> None:
    """Copy a file or directory; exactly one of both is ``CONTAINER:PATH``. Where it goes follows Docker's rules.

    Modes and times are kept, owners are the caller's. Symbolic links are copied as such and never followed below the
    target. With a ``stream``, ``-`` stands for a tar archive written to it or read from it. Raises :class:`NotFound`,
    :class:`Conflict` (a directory onto a file), :class:`UsageError`, :class:`BrokenArchive`.
    """
    world = world or World()
    found, inside, outside, comes_out = _ends(world, source, target)
    copy = partial(_cp, world, found, inside, outside, stream if outside == STREAM else None, comes_out=comes_out)
    if is_ranged(found):
        with_all_ids(copy)
    else:
        copy()


def _cp(world: World, found: Found, inside: str, outside: str, stream: IO[bytes] | None, *, comes_out: bool) -> None:
    if comes_out:
        with _opened(world, found, inside) as entries:
            if stream is not None:
                write_tar(entries, stream)
                stream.flush()
            else:
                write_tree(entries, outside)
        return
    _into(world, found, _entries(outside, stream), inside)


def plan_cp(
    source: str, target: str, *, stream: IO[bytes] | None = None, world: World | None = None
) -> tuple[Change, ...]:
    """What :func:`cp` would copy, its bytes, and the path that it would get."""
    world = world or World(make_store=False)
    found, inside, outside, comes_out = _ends(world, source, target)
    look = partial(_plan, world, found, source, inside, outside, stream, comes_out=comes_out)
    return with_all_ids(look) if is_ranged(found) else look()


def _plan(
    world: World, found: Found, source: str, inside: str, outside: str, stream: IO[bytes] | None, *, comes_out: bool
) -> tuple[Change, ...]:
    if comes_out:
        first, size = _summary(world, found, inside)
        to = outside if stream is not None and outside == STREAM else take(_only(first), outside, kind_on_disk)[0]
    else:
        first, size = _summed(_entries(outside, stream))
        to = f"{found.shown}:{_place(world, found, first, inside)}"
    kind = {"dir": "directory", "link": "link"}.get(first.kind, "file")
    return (Change("copy", kind, source, to, bytes=size),)


def _ends(world: World, source: str, target: str) -> tuple[Found, str, str, bool]:
    """The container, the path in it, the one outside, and whether the copy comes out."""
    from_container, from_path = _split(source)
    to_container, to_path = _split(target)
    if bool(from_container) == bool(to_container):
        both = "both are" if from_container else "neither is"
        raise UsageError(
            f"{both} in a container: '{source}', '{target}'",
            hint="wherry cp CONTAINER:PATH PATH, or wherry cp PATH CONTAINER:PATH",
        )
    if from_container:
        return find_container(world, from_container), "/" + from_path.lstrip("/"), to_path, True
    return find_container(world, to_container), "/" + to_path.lstrip("/"), from_path, False


def _split(text: str) -> tuple[str, str]:
    """``CONTAINER:PATH``; a local path when it begins with ``/`` or ``.``, or has no colon."""
    if text.startswith(("/", ".")) or ":" not in text:
        return "", text
    container, _, path = text.partition(":")
    if not container or not path:
        raise UsageError(f"'{text}' names no container and path", hint="CONTAINER:PATH, or ./FILE for a local file")
    return container, path


def _entries(path: str, stream: IO[bytes] | None) -> Iterator[Entry]:
    return read_tar(stream) if stream is not None and path == STREAM else _started(read_tree(path))


@contextmanager
def _opened(world: World, found: Found, inside: str) -> Iterator[Iterator[Entry]]:
    """The tree at a path of the container."""
    paths = paths_of(world, found)
    if paths is not None:
        yield read_shown(paths, inside)
        return
    if found.running is not None:
        from wherry.containers.joined import joined_reader

        with joined_reader(found.running, found.shown, lambda pipe: send(read_tree(inside), pipe)) as pipe:
            yield receive(pipe)
        return
    assert found.kept is not None
    from wherry.containers.upper import read_stopped

    yield read_stopped(world, found.kept, inside)


def _into(world: World, found: Found, entries: Iterator[Entry], inside: str) -> None:
    paths = paths_of(world, found)
    if paths is not None:
        write_shown(paths, entries, inside)
        return
    if found.running is not None:
        from wherry.containers.joined import joined_writer

        with joined_writer(found.running, found.shown, lambda pipe: write_tree(receive(pipe), inside)) as pipe:
            send(entries, pipe)
        return
    assert found.kept is not None
    from wherry.containers.upper import write_stopped

    write_stopped(world, found.kept, entries, inside)


def _summary(world: World, found: Found, inside: str) -> tuple[Item, int]:
    """The first item of the tree at a path of the container, and the bytes of all; no content is read."""
    if found.running is None or paths_of(world, found) is not None:
        with _opened(world, found, inside) as entries:
            return _summed(entries)

    def look() -> bytes:
        first, size = _summed(read_tree(inside))
        return f"{first.kind} {size}".encode()

    kind, size = _asked(found.running, found.shown, look).decode().split()
    return Item((), kind, 0, 0, 0, "", copied_name(inside)), int(size)


def _place(world: World, found: Found, first: Item, inside: str) -> str:
    """Where in the container the copied thing would go."""
    paths = paths_of(world, found)
    if paths is not None:
        return take(_only(first), inside, lambda path: kind_on_disk(paths.real(path)))[0]
    if found.running is not None:
        place = _asked(found.running, found.shown, lambda: os.fsencode(take(_only(first), inside, kind_on_disk)[0]))
        return os.fsdecode(place)
    assert found.kept is not None
    from wherry.containers.upper import kind_in, merged_view

    return take(_only(first), inside, kind_in(merged_view(world, found.kept)))[0]


def _asked(running: Running, shown: str, work: Callable[[], bytes]) -> bytes:
    """What ``work`` finds out where the container's files are."""
    from wherry.containers.joined import joined_reader

    with joined_reader(running, shown, lambda pipe: _write(pipe, work())) as pipe:
        return pipe.read()


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(data)


def _summed(entries: Iterator[Entry]) -> tuple[Item, int]:
    first, size = None, 0
    for item, _ in entries:
        first = first or item
        size += item.size
    if first is None:
        raise WherryError("nothing came to be copied")
    return first, size


def _only(first: Item) -> Iterator[Entry]:
    yield first, iter(())


def _started(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same, its first entry read already, so that a missing source is told before anything is made."""
    first = next(entries, None)

    def whole() -> Iterator[Entry]:
        if first is not None:
            yield first
        yield from entries

    return whole()
