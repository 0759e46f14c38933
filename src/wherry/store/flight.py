"""Single flight: of all processes on all nodes that want one thing, one fetches it and the others wait.

The rules hold on network file systems: a file made with O_EXCL is the token; its holder renews the file's mtime; who
waits watches by its own monotonic clock how long the mtime has stood still, so no two clocks are ever compared. A
token that stands still is taken away by rename. A fetch done twice is harmless (the store's objects are immutable and
the first one published wins); a wait without end is not, and cannot happen: a holder that lives for ever loses the
token after :attr:`Timing.patience`.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from wherry.base.progress import Event, Progress, silent
from wherry.store.durable import make_folder, read_small, write_file
from wherry.store.faults import reported
from wherry.store.processes import Process, current, is_dead

__all__ = ["Timing", "await_collector", "collecting", "flight", "is_anyone_fetching", "shared_flight", "unless_taken"]


_COLLECTOR = "collecting/token"


class Timing(msgspec.Struct, frozen=True):
    """Seconds. ``stale`` must be several ``heartbeat``\\ s: a busy file server answers late."""

    heartbeat: float = 2.0
    stale: float = 15.0
    shortest: float = 0.02
    longest: float = 1.0
    patience: float = 3 * 3600.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Token(msgspec.Struct, frozen=True):
    """What a token's file holds."""

    node: str
    boot_id: str
    namespace: int
    pid: int
    starttime: int
    token: str

    @property
    def process(self) -> Process:
        return Process(self.node, self.boot_id, self.namespace, self.pid, self.starttime)


class _Seen(msgspec.Struct, frozen=True):
    """A token as one look found it; ``token`` is None while its holder has not written it yet."""

    inode: int
    mtime_ns: int
    token: _Token | None

    def is_same_holder(self, other: _Seen) -> bool:
        """The inode alone does not tell: file systems give a new file the number of one that went just now."""
        return self.inode == other.inode and (self.token == other.token or None in (self.token, other.token))


@contextmanager
def flight(
    root: str,
    key: str,
    progress: Progress,
    is_done: Callable[[], bool],
    timing: Timing = Timing(),  # noqa: B008 - frozen
    subject: str = "",
) -> Iterator[bool]:
    """Yield True to the one who must fetch ``key``, False to all others once ``is_done()`` says that it is there.

    ``subject`` is what people call it. When the fetcher fails or dies, one of those who wait becomes the fetcher.
    ``is_done`` is called often and must be cheap (a stat). Waiting is told to ``progress`` once for each holder.
    """
    path = f"{root}/fetching/{_file_name(key)}"
    with reported(f"fetch {subject or key}", root):
        held = _acquire(root, path, subject or key, progress, is_done, timing)
    if held is None:
        yield False
        return
    with _held(path, *held, timing):
        yield True


@contextmanager
def shared_flight(
    root: str,
    key: str,
    progress: Progress,
    timing: Timing = Timing(),  # noqa: B008 - frozen
    subject: str = "",
) -> Iterator[bool]:
    """As :func:`flight` for a question whose answer may be what it was: nothing on disk tells that it was asked.

    False is told to those who began before the one who asked did, once that one has ended without an error: so nobody
    gets an answer that is older than their own question. At most two ask for all who come at one moment.
    """
    path = f"{root}/fetching/{_file_name(key)}"
    mark = f"{root}/answered/{_file_name(key)}"
    asking = _look(path)  # before the mark: whoever is seen here asked before we did
    stale = {"", _answered(mark), asking.token.token if asking and asking.token else ""}
    with reported(f"fetch {subject or key}", root):
        held = _acquire(root, path, subject or key, progress, lambda: _answered(mark) not in stale, timing)
    if held is None:
        yield False
        return
    with _held(path, *held, timing):
        yield True
        _note_answer(root, path, mark, held[1])


def _note_answer(root: str, path: str, mark: str, token: _Token) -> None:
    """Unless another took over meanwhile: those who wait now may have begun after we asked."""
    with suppress(OSError):  # then those who wait ask for themselves
        seen = _look(path)
        if seen is not None and seen.token == token:
            write_file(root, mark, token.token.encode(), sync=False)


def _answered(mark: str) -> str:
    """The token of the one who asked last; empty when nobody did, or it cannot be told."""
    try:
        return (read_small(mark) or b"").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def unless_taken(root: str, key: str, timing: Timing = Timing()) -> Iterator[bool]:  # noqa: B008 - frozen
    """As :func:`flight` for one who does not wait: False where somebody has ``key``, dead ones excepted."""
    path = f"{root}/fetching/{_file_name(key)}"
    with reported(f"take {key}", root):
        seen = _look(path)
        if seen is not None and seen.token is not None and is_dead(seen.token.process):
            _take_away(path, seen.token)
        make_folder(os.path.dirname(path))
        held = _create(path)
    if held is None:
        yield False
        return
    with _held(path, *held, timing):
        yield True


@contextmanager
def collecting(root: str, timing: Timing = Timing()) -> Iterator[None]:  # noqa: B008 - frozen
    """The one who removes things: others wait their turn, and pullers do not trust what they found meanwhile."""
    path = f"{root}/{_COLLECTOR}"
    with reported("remove something", root):
        held = _acquire(root, path, _COLLECTOR, silent, lambda: False, timing)
    assert held is not None  # is_done never said so
    with _held(path, *held, timing):
        yield


def await_collector(root: str, timing: Timing = Timing()) -> None:  # noqa: B008 - frozen
    """Return when nobody has been collecting since before the call (milliseconds, mostly none)."""
    watch, first = _Watch(timing), _look(f"{root}/{_COLLECTOR}")
    seen = first
    while seen is not None and first is not None and seen.is_same_holder(first) and not watch.is_over(seen):
        watch.pause()
        seen = _look(f"{root}/{_COLLECTOR}")


@contextmanager
def _held(path: str, fd: int, token: _Token, timing: Timing) -> Iterator[None]:
    beat = _Heartbeat(path, fd, timing.heartbeat)
    try:
        yield
    finally:
        beat.stop()
        _take_away(path, token)


def is_anyone_fetching(root: str, now: float, stale: float = 60.0) -> bool:
    """Whether a live token exists; ``now`` by the file system's clock, ``stale`` generous for late heartbeats."""
    try:
        with os.scandir(f"{root}/fetching") as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if now - entry.stat(follow_symlinks=False).st_mtime < stale and not _is_left(entry.path):
                        return True
                except FileNotFoundError:
                    continue
    except FileNotFoundError:
        pass
    return False


def _is_left(path: str) -> bool:
    seen = _look(path)
    return seen is None or (seen.token is not None and is_dead(seen.token.process))


def _acquire(
    root: str, path: str, subject: str, progress: Progress, is_done: Callable[[], bool], timing: Timing
) -> tuple[int, _Token] | None:
    watch = _Watch(timing)
    while not is_done():
        seen = _look(path)
        if seen is None:
            held = _create(path)
            if held is None:
                continue
            _refresh(root)
            if not is_done():
                return held
            os.close(held[0])
            _take_away(path, held[1])
            return None
        if watch.is_new_holder(seen):
            progress(Event(subject, "waiting", message=_waiting_for(seen.token)))
        if watch.is_over(seen):
            _take_away(path, seen.token)
            continue
        watch.pause()
    return None


class _Watch:
    """One who waits, and their own clock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._last: _Seen | None = None
        self._moved_at = self._held_since = 0.0
        self._delay = timing.shortest
        self._spread = 0.75 + (os.getpid() % 64) / 128  # who began together shall not poll together

    def is_new_holder(self, seen: _Seen) -> bool:
        last = self._last
        return last is None or not seen.is_same_holder(last)

    def is_over(self, seen: _Seen) -> bool:
        """Whether the holder is dead, stands still, or has had its time."""
        now = self._timing.clock()
        if self.is_new_holder(seen):
            self._held_since, self._delay = now, self._timing.shortest
        if seen != self._last:
            self._last, self._moved_at = seen, now
        if now - self._moved_at > self._timing.stale or now - self._held_since > self._timing.patience:
            return True
        return seen.token is not None and is_dead(seen.token.process)

    def pause(self) -> None:
        self._timing.sleep(self._delay * self._spread)
        self._delay = min(self._delay * 1.5, self._timing.longest)


def _look(path: str) -> _Seen | None:
    """Opening makes a network file system ask its server (close-to-open consistency); a bare stat may be stale."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        return _Seen(found.st_ino, found.st_mtime_ns, _decode(os.read(fd, 4096)))
    except OSError:
        return None  # ESTALE: it went between opening and reading
    finally:
        os.close(fd)


def _decode(data: bytes) -> _Token | None:
    try:
        return msgspec.json.decode(data, type=_Token)
    except ValueError:
        return None


def _create(path: str) -> tuple[int, _Token] | None:
    """The descriptor and the token, None when somebody else was first.

    A link makes the name exclusively, as O_EXCL does, and with its content: who is killed here leaves no token that
    nobody can judge. Where the file system has no links the name is made first.
    """
    me = current()
    token = _Token(me.node, me.boot_id, me.namespace, me.pid, me.starttime, os.urandom(12).hex())
    aside = _aside(path)
    try:
        fd = _write(aside, token)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        return None
    try:
        os.link(aside, path)
    except OSError as error:
        if os.fstat(fd).st_nlink == 2:  # a file server answered twice, and this is the second answer
            return fd, token
        os.close(fd)
        if error.errno == errno.EEXIST:
            return None
        return _create_first(path, token)
    finally:
        with suppress(OSError):
            os.unlink(aside)
    return fd, token


def _create_first(path: str, token: _Token) -> tuple[int, _Token] | None:
    try:
        return _write(path, token), token
    except FileExistsError:
        return None


def _write(path: str, token: _Token) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            os.write(fd, msgspec.json.encode(token))
        finally:
            os.close(fd)  # a network file system sends it to its server now, so others on other nodes see it
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise


def _aside(path: str) -> str:
    return f"{os.path.dirname(path)}/.{os.urandom(12).hex()}"


def _take_away(path: str, token: _Token | None) -> None:
    """Remove the file if it still is ``token``'s; another's that was met instead is put back."""
    aside = _aside(path)
    try:
        os.rename(path, aside)
    except OSError:
        return
    try:
        if _decode(read_small(aside) or b"") != token:
            with suppress(OSError):  # a third one holds it already: two fetch now, which is harmless
                os.link(aside, path)
        os.unlink(aside)
    except OSError:
        pass


def _refresh(root: str) -> None:
    """Make a network file system forget that something was not there: a change of the folder renews its cache."""
    for folder in ("layers", "images", "names", "blobs/sha256"):
        try:
            os.utime(f"{root}/{folder}")
        except OSError:
            continue


def _waiting_for(token: _Token | None) -> str:
    return f"waiting for node {token.node}, process {token.pid}" if token else "waiting for another process"


def _file_name(key: str) -> str:
    """``key`` as one file name; long ones are cut and told apart by their hash."""
    name = "".join(char if char.isalnum() or char in "-_.:@" else f"%{ord(char):02x}" for char in key).lstrip(".")
    if name and len(name.encode()) <= 200:
        return name
    import hashlib

    return f"{name.encode()[:120].decode(errors='ignore')}~{hashlib.sha256(key.encode()).hexdigest()[:40]}"


class _Heartbeat:
    """Renews the mtime through the descriptor, so that it never renews a token that was taken away and made anew."""

    def __init__(self, path: str, fd: int, interval: float) -> None:
        self._fd = fd
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {os.path.basename(path)}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._fd)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                os.utime(self._fd)
            except OSError:
                continue  # a file server that is away for a moment; the next beat may reach it
