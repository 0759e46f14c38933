"""Containers that run on this node, as the launcher leaves them in ``RUNTIME/running`` (ops.def, RUNNING).

A file there is alive while its launcher holds the lock on it; what is left unlocked was killed and is swept
(:mod:`wherry.containers.sweeping`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import msgspec

from wherry.base.record import StartLine

__all__ = [
    "Running",
    "find_running",
    "is_alive",
    "read_running",
    "running_containers",
    "running_folder",
    "running_images",
]


class Running(msgspec.Struct, frozen=True):
    """One running container: its processes (pids of this node's pid namespace) and what it was started as.

    ``details`` is the whole start line as JSON text; :attr:`start` the part that every execution has.
    """

    id: str
    path: str
    init_pid: int
    init_started: int
    launcher_pid: int
    launcher_started: int
    details: bytes

    @property
    def start(self) -> StartLine:
        return msgspec.json.decode(self.details, type=StartLine)


def running_folder(runtime: str) -> str:
    return f"{runtime}/running"


def running_containers(runtime: str) -> Iterator[Running]:
    """All that run on this node now, in no order. Cheap: one directory and one small file each."""
    folder = running_folder(runtime)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if len(name) == 64:
            running = read_running(f"{folder}/{name}")
            if running is not None:
                yield running


def running_images(runtime: str) -> dict[str, list[str]]:
    """The ids of the containers that run on this node, by the digest of their image: what must not be removed."""
    found: dict[str, list[str]] = {}
    for running in running_containers(runtime):
        found.setdefault(running.start.image_digest, []).append(running.id)
    return found


def find_running(runtime: str, container_id: str) -> Running | None:
    """The running container of exactly this id, None when it does not run here."""
    return read_running(f"{running_folder(runtime)}/{container_id}")


def read_running(path: str) -> Running | None:
    """Read one RUNNING file; None when it is gone, half-written, or its launcher no longer lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # An empty one is between being made and being locked: to try the lock would take it from its launcher.
        if os.fstat(descriptor).st_size == 0 or not _is_locked(descriptor):
            return None
        content = _read_all(descriptor)
    finally:
        os.close(descriptor)
    first, _, rest = content.partition(b"\n")
    numbers = first.split()
    if len(numbers) != 4:
        return None
    try:
        init_pid, init_started, launcher_pid, launcher_started = (int(number) for number in numbers)
    except ValueError:
        return None
    name = path.rsplit("/", 1)[1]
    return Running(name, path, init_pid, init_started, launcher_pid, launcher_started, rest.strip())


def is_alive(pid: int, started: int) -> bool:
    """Whether process ``pid`` still is the one that began at ``started`` (field 22 of proc_pid_stat(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == started and fields[0] not in (b"Z", b"X")


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _read_all(descriptor: int) -> bytes:
    content = b""
    while chunk := os.read(descriptor, 65536):
        content += chunk
    return content
