"""Cache mounts of builds: ``cache/mounts/NAME/{tree,about,using/}``, directories that one step leaves to the next.

Not content that is named by its digest, but its user's own files (0700), which may go between any two builds. ``about``
says what the mount is called and how much was in it; its mtime is the last use. Who uses one says so by a file in
``using``, then looks whether the mount is still there; who removes takes it out of sight, then looks for such files.
One that a single build may use at a time is guarded by a token too (``flight``), which dies with its holder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import msgspec

from wherry.base.digest import Digest
from wherry.base.progress import Event, Progress
from wherry.store.discard import put_aside
from wherry.store.durable import make_folder, read_small, write_file
from wherry.store.faults import reported
from wherry.store.flight import Timing, flight, unless_taken
from wherry.store.holds import in_use, marked_used

__all__ = ["CacheMount", "cache_mount", "cache_mounts", "take_aside"]

_PATIENT = Timing(stale=120.0, patience=float("inf"))
"""A lock is no fetch: who lives keeps it, however long the step takes."""

_SLOTS = 1000
_PAUSES = (0.05, 1.0)


class CacheMount(msgspec.Struct, frozen=True):
    """``id`` as the recipe says it, ``size`` in bytes (what its files take), ``used`` when it was last."""

    name: str
    id: str
    path: str
    size: int
    used: float


class _About(msgspec.Struct):
    """``is_known``: nobody used it since its size was told."""

    id: str
    size: int = 0
    is_known: bool = False


@contextmanager
def cache_mount(root: str, identity: str, sharing: str, progress: Progress, mode: int = 0o755) -> Iterator[str]:
    """The directory of the cache mount ``identity`` until the block ends, made (with ``mode``) if there is none.

    ``shared``: with anybody. ``locked``: who comes later waits, and is told so. ``private``: who comes later gets
    another one. The last two also keep out those who share.
    """
    with reported("make a cache mount", root):
        make_folder(f"{root}/cache")
        os.chmod(f"{root}/cache", 0o700)  # whatever the umask: its files are their user's alone
    with ExitStack() as stack:
        if sharing == "shared":
            name = stack.enter_context(_shared(root, identity, mode, progress))
        elif sharing == "locked":
            name = stack.enter_context(_locked(root, identity, mode, progress))
        else:
            name = _first_free(root, identity, mode, stack)
        try:
            yield f"{_path(root, name)}/tree"
        finally:
            _note_use(root, name, identity)


def cache_mounts(root: str) -> list[CacheMount]:
    """All there are. Those used since are measured, which takes a look at each of their files."""
    folder = f"{root}/cache/mounts"
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        with suppress(FileNotFoundError):  # removed just now
            found.append(_read(root, name))
    return found


def take_aside(root: str, mount: CacheMount) -> str | None:
    """Take a mount that nobody uses out of sight; where it is now, for who deletes it. None: it is used, or gone."""
    if in_use(f"{mount.path}/using", root):
        return None
    aside = put_aside(root, mount.path)
    if aside is None or not in_use(f"{aside}/using", root):
        return aside
    with suppress(OSError):
        os.rename(aside, mount.path)
    return None


@contextmanager
def _shared(root: str, identity: str, mode: int, progress: Progress) -> Iterator[str]:
    """Marked first, then the look for one who has it alone; that one looks for marks after taking the token."""
    name = _name(identity)
    token = f"{root}/fetching/{_key(name)}"
    while True:
        with _used(root, name, mode):
            if not os.path.exists(token):
                yield name
                return
        with flight(root, _key(name), progress, lambda: not os.path.exists(token), _PATIENT, _subject(identity)):
            pass  # the other is done, or was dead


@contextmanager
def _locked(root: str, identity: str, mode: int, progress: Progress) -> Iterator[str]:
    name = _name(identity)
    with (
        flight(root, _key(name), progress, lambda: False, _PATIENT, _subject(identity)),
        _used(root, name, mode) as mine,
    ):
        _await_others(root, name, mine, progress, identity)
        yield name


def _first_free(root: str, identity: str, mode: int, stack: ExitStack) -> str:
    """The first of this cache's directories that nobody has: there are as many as were ever used at once."""
    for slot in range(_SLOTS):
        name = _name(identity, slot)
        with ExitStack() as tried:
            if not tried.enter_context(unless_taken(root, _key(name), _PATIENT)):
                continue
            mine = tried.enter_context(_used(root, name, mode))
            if not in_use(f"{_path(root, name)}/using", root, but=mine):
                stack.push(tried.pop_all())
                break
    return name


def _await_others(root: str, name: str, mine: str, progress: Progress, identity: str) -> None:
    pause, longest = _PAUSES
    told = False
    while in_use(f"{_path(root, name)}/using", root, but=mine):
        if not told:
            progress(Event(_subject(identity), "waiting", message="waiting for a build that shares it"))
        told = True
        time.sleep(pause)
        pause = min(pause * 1.5, longest)


@contextmanager
def _used(root: str, name: str, mode: int) -> Iterator[str]:
    """Mark it as used; whoever removed it before that is met here, and it is made again."""
    path = _path(root, name)
    while True:
        with reported("make a cache mount", root):
            make_folder(path)
            with suppress(FileExistsError):
                os.mkdir(f"{path}/tree")
                os.chmod(f"{path}/tree", mode & 0o1777 | 0o700)
        with marked_used(f"{path}/using", root) as mark:
            if os.path.exists(mark) and os.path.isdir(f"{path}/tree"):
                yield mark
                return


def _note_use(root: str, name: str, identity: str) -> None:
    with suppress(OSError):
        about = _about(root, name)
        _write(root, name, _About(identity, about.size if about else 0))


def _read(root: str, name: str) -> CacheMount:
    path = _path(root, name)
    about = _about(root, name)
    if about is None:  # its maker was killed before its first end
        return CacheMount(name, "", path, _size(f"{path}/tree"), os.stat(path).st_mtime)
    used = os.stat(f"{path}/about")
    if not about.is_known:
        about.size, about.is_known = _size(f"{path}/tree"), True
        with suppress(OSError):
            if not in_use(f"{path}/using", root):
                _write(root, name, about)
                os.utime(f"{path}/about", ns=(used.st_atime_ns, used.st_mtime_ns))
    return CacheMount(name, about.id, path, about.size, used.st_mtime)


def _about(root: str, name: str) -> _About | None:
    try:
        return msgspec.json.decode(read_small(f"{_path(root, name)}/about") or b"", type=_About)
    except ValueError:
        return None


def _write(root: str, name: str, about: _About) -> None:
    write_file(root, f"{_path(root, name)}/about", msgspec.json.encode(about), sync=False)


def _size(folder: str) -> int:
    """Bytes on disk; what cannot be looked at is not counted."""
    total, pending = 0, [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue
    return total


def _name(identity: str, slot: int = 0) -> str:
    name = Digest.of(identity.encode("utf-8", "surrogateescape")).hex[:32]
    return f"{name}.{slot}" if slot else name


def _path(root: str, name: str) -> str:
    return f"{root}/cache/mounts/{name}"


def _key(name: str) -> str:
    return f"mount-{name}"


def _subject(identity: str) -> str:
    return f"the cache mount '{identity}'"
