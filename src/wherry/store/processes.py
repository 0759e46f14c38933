"""Which process left something here, and whether it is certainly dead.

A process is known by node, boot id, pid namespace, pid and start time: a pid alone is soon somebody else's, and is
another process in another namespace. In doubt it lives; the callers' clocks decide then.
"""

from __future__ import annotations

import os

import msgspec

__all__ = ["Process", "current", "is_dead", "parse_tmp_name", "tmp_name"]


class Process(msgspec.Struct, frozen=True):
    """``starttime`` in clock ticks since boot (proc(5), stat, field 22); ``namespace`` is the pid namespace's inode."""

    node: str
    boot_id: str
    namespace: int
    pid: int
    starttime: int


_current: Process | None = None


def current() -> Process:
    """This process (also after a fork)."""
    global _current
    pid = os.getpid()
    if _current is None or _current.pid != pid:
        _current = Process(os.uname().nodename, _boot_id(), _namespace(), pid, _state(pid)[1])
    return _current


def is_dead(process: Process) -> bool:
    """True only when it is certain: a process of this node, boot and pid namespace that is gone or a zombie."""
    here = current()
    if not here.boot_id or not here.boot_id.startswith(process.boot_id) or not process.boot_id:
        return False
    if process.node != here.node or process.namespace != here.namespace or not 0 < process.pid < 1 << 31:
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it exists and is somebody else's
    state, starttime = _state(process.pid)
    if not state:
        return False  # /proc hides it (hidepid), yet kill(2) found it
    return state in "ZX" or (starttime != process.starttime and process.starttime > 0)


def tmp_name() -> str:
    """A fresh name below ``tmp/`` that says whose it is: ``NODE.PID.BOOT-NAMESPACE-START-RANDOM``."""
    me = current()
    node = me.node.replace("/", "_")[:64]
    return f"{node}.{me.pid}.{me.boot_id[:8]}-{me.namespace:x}-{me.starttime:x}-{os.urandom(6).hex()}"


def parse_tmp_name(name: str) -> Process | None:
    """Whose ``name`` is, None when it is not one of :func:`tmp_name`'s."""
    parts = name.rsplit(".", 2)
    if len(parts) != 3 or not parts[1].isdigit():
        return None
    fields = parts[2].split("-")
    if len(fields) != 4:
        return None
    try:
        return Process(parts[0], fields[0], int(fields[1], 16), int(parts[1]), int(fields[2], 16))
    except ValueError:
        return None


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
            return file.read(64).decode().strip()
    except OSError:
        return ""


def _namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _state(pid: int) -> tuple[str, int]:
    """The state's letter and the start time; empty and 0 where /proc does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[19])
    except (OSError, IndexError, ValueError):
        return "", 0
