"""What trials ask of the kernel, and the children that ask.

Python's own ``os`` has neither ``mount`` nor, before 3.12, ``unshare``; so the C library is called through ctypes,
imported only here, once a boot.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Callable

__all__ = [
    "NEW_CGROUP",
    "NEW_IPC",
    "NEW_MOUNTS",
    "NEW_NET",
    "NEW_PID",
    "NEW_USER",
    "NEW_UTS",
    "NOSUID_NODEV_NOEXEC",
    "Refused",
    "can",
    "enter",
    "in_child",
    "landlock_version",
    "mount",
    "new_root",
    "trace_child",
    "unshare",
]

NEW_MOUNTS, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
NOSUID_NODEV_NOEXEC = 2 | 4 | 8

_REC_PRIVATE = 0x4000 | 0x40000
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_LANDLOCK_CREATE_RULESET = 444
_TRACEME, _CONTINUE, _SET_OPTIONS, _TRACE_EXIT = 0, 7, 0x4200, 0x40


class Refused(Exception):
    """The kernel said no; the text is ``step: ERRNO``."""

    def __init__(self, step: str, number: int) -> None:
        super().__init__(f"{step}: {errno.errorcode.get(number, str(number))}")


def in_child(act: Callable[[], bytes]) -> bytes:
    """What ``act`` gives in a child of its own; empty where the child died."""
    _libc()  # loaded before the fork
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, act())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def can(act: Callable[[], object]) -> bool:
    """Whether the kernel lets ``act`` through."""
    try:
        act()
    except (Refused, OSError):
        return False
    return True


def unshare(flags: int) -> None:
    """New namespaces, with no ids mapped; raise :class:`Refused`."""
    if _libc().unshare(flags):
        raise Refused("unshare", ctypes.get_errno())


def enter(flags: int) -> None:
    """New namespaces with our own ids mapped, in which no mount reaches the outside; raise :class:`Refused`."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            with open(f"/proc/self/{name}", "wb", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            raise Refused(name, error.errno or 0) from None
    if flags & NEW_MOUNTS and _libc().mount(None, b"/", None, ctypes.c_ulong(_REC_PRIVATE), None):
        raise Refused("mount", ctypes.get_errno())


def mount(kind: str, source: str, target: str, flags: int, data: str) -> None:
    """mount(2); raise :class:`Refused`."""
    if _libc().mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(data)):
        raise Refused(f"mount {kind}", ctypes.get_errno())


def new_root(folder: str) -> None:
    """Make ``folder``, a mount point, the root directory, as a container's start does; raise :class:`Refused`."""
    os.chdir(folder)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        return  # an architecture whose number is not known here: the start itself will tell
    if _libc().syscall(number, b".", b"."):
        raise Refused("pivot_root", ctypes.get_errno())
    if _libc().umount2(b".", _DETACH):
        raise Refused("umount", ctypes.get_errno())


def landlock_version() -> int:
    """The version of the kernel's Landlock, 0 where there is none."""
    found: int = _libc().syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(found, 0)


def trace_child() -> None:
    """Trace a child over its whole life; raise :class:`Refused` where that is forbidden. The caller is a child."""
    child = os.fork()
    if child == 0:
        if _ptrace(_TRACEME, 0, 0):
            os._exit(100 + min(ctypes.get_errno(), 100))
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise Refused("ptrace", os.waitstatus_to_exitcode(status) - 100)
    try:
        for request, data in ((_SET_OPTIONS, _TRACE_EXIT), (_CONTINUE, 0), (_CONTINUE, 0)):
            if _ptrace(request, child, data):
                raise Refused("ptrace", ctypes.get_errno())
            if request == _CONTINUE:  # stops once more, where it is about to end
                _, status = os.waitpid(child, 0)
    except Refused:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise
    if not os.WIFEXITED(status):
        os.kill(child, signal.SIGKILL)
        raise Refused("ptrace", errno.EIO)


def _ptrace(request: int, pid: int, data: int) -> int:
    answer: int = _libc().ptrace(
        ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(None), ctypes.c_void_p(data)
    )
    return answer


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
