"""Trials: children that do what a container's start would do, and report how it went.

Python's own ``os`` has neither ``mount`` nor, before 3.12, ``unshare``; so the C library is called through ctypes,
imported only here, once a boot.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable

import msgspec

__all__ = ["Trial", "try_namespaces", "try_overlay"]

_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_REC_PRIVATE = 0x4000 | 0x40000
_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


class Trial(msgspec.Struct, frozen=True):
    """How far a child came; ``problem`` is ``step: ERRNO`` of the step that ended it."""

    namespaces: bool = False
    overlay: bool = False
    volatile: bool = False
    proc: bool = False
    problem: str = ""


def try_namespaces(folder: str) -> Trial:
    """New user, mount and pid namespaces; in them an overlay (on a tmpfs that covers ``folder``) and a fresh /proc."""
    answer = _in_child(lambda: _namespaces(folder))
    return msgspec.json.decode(answer, type=Trial) if answer else Trial(problem="fork: no answer")


def try_overlay(folder: str, *, volatile: bool) -> bool:
    """Whether an overlay with its upper directory in ``folder`` mounts, and takes whiteouts and opaque directories.

    Without ``volatile`` the kernel writes all of that file system's dirty pages when the trial ends: it may take long.
    """
    options = "userxattr,volatile" if volatile else "userxattr"
    place = f"{folder}/.trial-{os.getpid()}"
    # In a child: a killed parent leaves one that still cleans up behind itself.
    return _in_child(lambda: _overlay_tried(place, options)) == b"yes"


def _overlay_tried(place: str, options: str) -> bytes:
    try:
        for name in ("", "/lower", "/lower/directory", "/lower/removed", "/upper", "/work", "/merged"):
            os.mkdir(f"{place}{name}", 0o700)
        return _in_child(lambda: _overlay_at(place, options))
    except OSError:
        return b"no"
    finally:
        _remove(place)


class _Failed(Exception):
    def __init__(self, step: str, number: int) -> None:
        super().__init__(f"{step}: {errno.errorcode.get(number, str(number))}")


def _namespaces(folder: str) -> bytes:
    reached = Trial()
    try:
        _enter(_NEWUSER | _NEWNS | _NEWPID)
        _mount("tmpfs", "tmpfs", folder, _NOSUID_NODEV_NOEXEC, "mode=700")
        reached = Trial(namespaces=True)
        overlay = _can(lambda: _mount_overlay(folder, "userxattr"))
        volatile = overlay and _can(lambda: _mount_overlay(folder, "userxattr,volatile"))
        proc = _in_child(lambda: b"yes" if _can(lambda: _mount_proc(folder)) else b"no") == b"yes"
        reached = Trial(namespaces=True, overlay=overlay, volatile=volatile, proc=proc)
    except (_Failed, OSError) as error:
        reached = msgspec.structs.replace(reached, problem=str(error))
    return msgspec.json.encode(reached)


def _mount_overlay(folder: str, options: str) -> None:
    place = f"{folder}/{options}".replace(",", "-")
    for name in ("", "/lower", "/upper", "/work", "/merged"):
        os.mkdir(f"{place}{name}")
    _overlay(place, options)


def _mount_proc(folder: str) -> None:
    os.mkdir(f"{folder}/proc")
    _mount("proc", "proc", f"{folder}/proc", _NOSUID_NODEV_NOEXEC, "")


def _overlay_at(place: str, options: str) -> bytes:
    try:
        _enter(_NEWUSER | _NEWNS)
        _overlay(place, options)
        os.rmdir(f"{place}/merged/removed")
        os.rmdir(f"{place}/merged/directory")
        os.mkdir(f"{place}/merged/directory")
    except (_Failed, OSError):
        return b"no"
    return b"yes"


def _overlay(folder: str, options: str) -> None:
    places = ",".join(f"{name}dir={_escape(folder)}/{name}" for name in ("lower", "upper", "work"))
    _mount("overlay", "overlay", f"{folder}/merged", 0, f"{options},{places}")


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _enter(flags: int) -> None:
    uid, gid = os.geteuid(), os.getegid()
    if _libc().unshare(flags):
        raise _Failed("unshare", ctypes.get_errno())
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            with open(f"/proc/self/{name}", "wb", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            raise _Failed(name, error.errno or 0) from None
    if _libc().mount(None, b"/", None, ctypes.c_ulong(_REC_PRIVATE), None):
        raise _Failed("mount", ctypes.get_errno())


def _mount(kind: str, source: str, target: str, flags: int, data: str) -> None:
    if _libc().mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(data)):
        raise _Failed(f"mount {kind}", ctypes.get_errno())


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _can(act: Callable[[], None]) -> bool:
    try:
        act()
    except (_Failed, OSError):
        return False
    return True


def _in_child(act: Callable[[], bytes]) -> bytes:
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


def _remove(place: str) -> None:
    for folder, directories, _ in os.walk(place):
        for name in directories:  # overlayfs leaves a directory without permissions in the work directory
            with contextlib.suppress(OSError):
                os.chmod(f"{folder}/{name}", 0o700)
    for folder, directories, files in os.walk(place, topdown=False):
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(f"{folder}/{name}")
        for name in directories:
            with contextlib.suppress(OSError):
                os.rmdir(f"{folder}/{name}")
    with contextlib.suppress(OSError):
        os.rmdir(place)
