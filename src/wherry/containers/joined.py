"""Doing something where a container's files are: a child of this process that joined its user and mount namespaces.

There every path is resolved as the container's own processes would, bind mounts and symbolic links included, and none
leads out of it. Works on any kernel that has user namespaces (setns(2)), which openat2(2) does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from wherry.base.errors import Conflict, WherryError, reason
from wherry.containers.running import Running, is_alive
from wherry.containers.transfer import Cut

__all__ = ["joined_reader", "joined_writer"]

_NEWNS, _NEWUSER = 0x00020000, 0x10000000


@contextmanager
def joined_reader(running: Running, shown: str, work: Callable[[IO[bytes]], None]) -> Iterator[IO[bytes]]:
    """``work`` writes in the container, the block reads. An error of ``work`` is raised when the block ends, with the
    container called as it is ``shown``.

    Of two errors the cause is raised: a cut stream or a broken pipe is the other end's doing.
    """
    with _child(running, shown, work, "wb", "rb") as pipe:
        yield pipe


@contextmanager
def joined_writer(running: Running, shown: str, work: Callable[[IO[bytes]], None]) -> Iterator[IO[bytes]]:
    """``work`` reads in the container what the block writes."""
    with _child(running, shown, work, "rb", "wb") as pipe:
        yield pipe


@contextmanager
def _child(
    running: Running, shown: str, work: Callable[[IO[bytes]], None], inner: str, outer: str
) -> Iterator[IO[bytes]]:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    namespaces = _open_namespaces(running)
    reading, writing = os.pipe()
    complaints, complaining = os.pipe()
    ours, theirs = (reading, writing) if outer == "rb" else (writing, reading)
    child = os.fork()  # what our streams hold stays ours: the child ends by _exit(2)
    if child == 0:
        os.close(ours)
        os.close(complaints)
        _inside(library.setns, namespaces, work, theirs, inner, complaining)
    os.close(theirs)
    os.close(complaining)
    for descriptor, _ in namespaces:
        os.close(descriptor)
    failed: BaseException | None = None
    with os.fdopen(complaints, "rb") as complaint:
        try:
            with os.fdopen(ours, outer) as pipe:
                yield pipe
        except BaseException as error:
            failed = error
        words = complaint.read()
    os.waitpid(child, 0)
    what, why, hint = (*words.decode(errors="replace").split("\n"), "", "", "")[:3]
    if failed is not None and not (what and isinstance(failed, (BrokenPipeError, Cut))):
        if isinstance(failed, WherryError):
            failed.hint = failed.hint or hint
        if isinstance(failed, BrokenPipeError):
            raise Cut("the copy was cut", why="the container ended, or its processes were killed") from None
        raise failed
    if what:
        raise WherryError(f"{what} in container '{shown}'", why=why, hint=hint)


def _open_namespaces(running: Running) -> list[tuple[int, int]]:
    folder = f"/proc/{running.init_pid}/ns"
    try:
        found = [(os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC), kind) for name, kind in _KINDS]
    except OSError as error:
        raise Conflict("the container ended", why=reason(error)) from None
    if not is_alive(running.init_pid, running.init_started):
        raise Conflict("the container ended")
    return found


_KINDS = (("user", _NEWUSER), ("mnt", _NEWNS))


def _inside(
    setns: Callable[[int, int], int],
    namespaces: list[tuple[int, int]],
    work: Callable[[IO[bytes]], None],
    descriptor: int,
    mode: str,
    complaining: int,
) -> None:
    """The child: never returns."""
    status = 1
    try:
        for namespace, kind in namespaces:
            if setns(namespace, kind) != 0:
                import ctypes

                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.chdir("/")
        with os.fdopen(descriptor, mode) as pipe:
            work(pipe)
        status = 0
    except WherryError as error:
        os.write(
            complaining,
            "\n".join(text.replace("\n", " ") for text in (error.what, error.why, error.hint)).encode(errors="replace"),
        )
    except BrokenPipeError:
        status = 0
    except BaseException as error:
        os.write(complaining, f"cannot copy inside the container\n{error}".encode(errors="replace"))
    finally:
        os._exit(status)
