"""What a running container uses: by its control group where it has one of its own, else by its processes in /proc."""

from __future__ import annotations

import os
import time

import msgspec

from wherry.containers.running import Running

__all__ = ["Usage", "group_of", "usage_of"]

_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Usage(msgspec.Struct, frozen=True):
    """One look. ``cpu`` is processors' time so far, in seconds; ``at`` when that was, in seconds (monotonic).

    ``memory`` in bytes: the group's, else the processes' share of what they have resident (PSS). ``read`` and
    ``written`` are bytes of block devices. ``processes`` counts threads too, but not the launcher's own process 1.
    """

    at: float
    cpu: float
    memory: int
    processes: int
    read: int = 0
    written: int = 0


def usage_of(running: Running) -> Usage | None:
    """What it uses now; None when it has ended."""
    _, group = group_of(running)
    found = _by_group(group) if group else None
    return found or _by_processes(running.init_pid)


def group_of(running: Running) -> tuple[str, str]:
    """The root of the cgroup2 tree and the container's own group in it; both empty where it has none."""
    for line in _read(f"/proc/{running.init_pid}/cgroup").splitlines():
        path = line.removeprefix("0::")
        if path != line and path.rpartition("/")[2] == f"wherry-{running.id[:12]}":
            root = _cgroup_root()
            return root, f"{root}{path}"
    return "", ""


def _cgroup_root() -> str:
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return before.split()[4]
    return ""


def _by_group(group: str) -> Usage | None:
    """None where the group lacks the controllers."""
    memory, pids = _read(f"{group}/memory.current"), _read(f"{group}/pids.current")
    spent = dict(line.split(" ", 1) for line in _read(f"{group}/cpu.stat").splitlines())
    if not (memory and pids and "usage_usec" in spent):
        return None
    read = written = 0
    for line in _read(f"{group}/io.stat").splitlines():
        values = dict(part.split("=", 1) for part in line.split()[1:] if "=" in part)
        read += int(values.get("rbytes", 0))
        written += int(values.get("wbytes", 0))
    return Usage(time.monotonic(), int(spent["usage_usec"]) / 1e6, int(memory), int(pids) - 1, read, written)


def _by_processes(init: int) -> Usage | None:
    folder, first, pids = _processes(init)
    at, cpu, memory, count, read, written = time.monotonic(), 0.0, 0, 0, 0, 0
    lives = False
    for pid in pids:
        place = f"{folder}/{pid}"
        fields = _read(f"{place}/stat").rpartition(")")[2].split()
        if not fields:
            continue
        cpu += sum(map(int, fields[11:15])) * _TICK  # its own and its ended children's, user and system
        moved = dict(line.split(": ", 1) for line in _read(f"{place}/io").splitlines())
        read += int(moved.get("read_bytes", 0))
        written += int(moved.get("write_bytes", 0))
        if pid == first:
            lives = True
        elif fields[0] not in ("Z", "X"):
            count += int(fields[17])
            memory += _share(place, int(fields[21]))
    return Usage(at, cpu, memory, count, read, written) if lives else None


def _share(place: str, pages: int) -> int:
    for line in _read(f"{place}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _processes(init: int) -> tuple[str, int, list[int]]:
    """Where they are shown, process 1 as it is numbered there, and all: in the container's own /proc, or the host's.

    Its own is told by having no ``self`` for us. The launcher looks the same way (``native/launcher/watch.c``).
    """
    own = f"/proc/{init}/root/proc"
    if _read(f"{own}/1/stat") and not os.path.lexists(f"{own}/self/stat"):
        return own, 1, _numbers(own)
    parents = {pid: int(fields[1]) for pid in _numbers("/proc") if (fields := _fields(pid))}
    below = {init}
    for pid in parents:
        chain = []
        while pid in parents and pid not in below:
            chain.append(pid)
            pid = parents[pid]
        if pid in below:
            below.update(chain)
    return "/proc", init, sorted(below)


def _fields(pid: int) -> list[str]:
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""
