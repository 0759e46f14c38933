"""Control groups: which version, and where a child of our own can be made (cgroups(7))."""

from __future__ import annotations

import contextlib
import os
import signal

from wherry.host.facts import Cgroup
from wherry.host.filesystems import mounts
from wherry.host.switches import read_text

__all__ = ["find_cgroup"]


def find_cgroup(uid: int) -> Cgroup:
    """Our place in the tree; a child is made there, a process moved into it, and both are taken away."""
    points = [(point, kind) for point, kind in mounts() if kind in ("cgroup", "cgroup2")]
    unified = next((point for point, kind in points if kind == "cgroup2"), "")
    older = any(kind == "cgroup" for _, kind in points)
    if not unified:
        return Cgroup(version="v1" if older else "")
    path = _own_path()
    folder = f"{unified.rstrip('/')}{path}".rstrip("/") or "/"
    delegated = bool(path) and _takes_child(folder)
    systemd = _user_systemd(uid)
    manager = f"{unified}/user.slice/user-{uid}.slice/user@{uid}.service"
    offering = folder if delegated else manager if systemd else ""
    return Cgroup(
        version="hybrid" if older else "v2",
        path=path,
        folder=folder if delegated else "",
        delegated=delegated,
        controllers=tuple(sorted(read_text(f"{offering}/cgroup.controllers").split())) if offering else (),
        systemd=systemd,
    )


def _own_path() -> str:
    for line in read_text("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            path = line[3:]
            return "" if path.startswith("/..") else path  # above the tree that we are shown
    return ""


def _takes_child(folder: str) -> bool:
    place = f"{folder}/wherry-trial-{os.getpid()}"
    try:
        os.mkdir(place)
    except OSError:
        return False
    try:
        return _moved_into(place)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(place)


def _moved_into(place: str) -> bool:
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.pause()
        os._exit(0)
    try:
        with open(f"{place}/cgroup.procs", "wb", buffering=0) as file:
            file.write(b"%d" % child)
        return str(child) in read_text(f"{place}/cgroup.procs").split()
    except OSError:
        return False
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _user_systemd(uid: int) -> bool:
    """Whether the user's own systemd takes connections."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    paths = [path for path in (f"{folder}/systemd/private", f"{folder}/bus") if os.path.exists(path)]
    if not paths:
        return False
    import socket

    for path in paths:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(path)
            return True
    return False
