"""``cp``: files into and out of a container, running or not."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.base.errors import UsageError
from wherry.containers.lookup import Found, find_container
from wherry.containers.transfer import Entry, read_tree, receive, send, write_tree
from wherry.containers.world import World

__all__ = ["cp"]


def cp(source: str, target: str, *, world: World | None = None) -> None:
    """Copy a file or directory; exactly one of both is ``CONTAINER:PATH``. Where it goes follows Docker's rules.

    Modes and times are kept, owners are the caller's. Symbolic links are copied as such and never followed below the
    target. Raises :class:`NotFound`, :class:`Conflict` (a directory onto a file), :class:`UsageError`.
    """
    world = world or World()
    from_container, from_path = _split(source)
    to_container, to_path = _split(target)
    if bool(from_container) == bool(to_container):
        both = "both are" if from_container else "neither is"
        raise UsageError(
            f"{both} in a container: '{source}', '{target}'",
            hint="wherry cp CONTAINER:PATH PATH, or wherry cp PATH CONTAINER:PATH",
        )
    if from_container:
        _out(world, find_container(world, from_container), from_path, to_path)
    else:
        _into(world, find_container(world, to_container), from_path, to_path)


def _split(text: str) -> tuple[str, str]:
    """``CONTAINER:PATH``; a local path when it begins with ``/`` or ``.``, or has no colon."""
    if text.startswith(("/", ".")) or ":" not in text:
        return "", text
    container, _, path = text.partition(":")
    if not container or not path:
        raise UsageError(f"'{text}' names no container and path", hint="CONTAINER:PATH, or ./FILE for a local file")
    return container, path


def _out(world: World, found: Found, path: str, target: str) -> None:
    inside = "/" + path.lstrip("/")
    if found.running is not None:
        from wherry.containers.joined import joined_reader

        with joined_reader(found.running, lambda pipe: send(read_tree(inside), pipe)) as pipe:
            write_tree(receive(pipe), target)
        return
    assert found.kept is not None
    from wherry.containers.upper import read_stopped

    write_tree(read_stopped(world, found.kept, inside), target)


def _into(world: World, found: Found, path: str, target: str) -> None:
    inside = "/" + target.lstrip("/")
    entries = _started(read_tree(path))
    if found.running is not None:
        from wherry.containers.joined import joined_writer

        with joined_writer(found.running, lambda pipe: write_tree(receive(pipe), inside)) as pipe:
            send(entries, pipe)
        return
    assert found.kept is not None
    from wherry.containers.upper import write_stopped

    write_stopped(world, found.kept, entries, inside)


def _started(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same, its first entry read already, so that a missing source is told before anything is made."""
    first = next(entries, None)

    def whole() -> Iterator[Entry]:
        if first is not None:
            yield first
        yield from entries

    return whole()
