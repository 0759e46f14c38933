"""Trials: children that do what a container's start would do, and report how it went."""

from __future__ import annotations

import contextlib
import os

import msgspec

from wherry.host.kernel import (
    NEW_CGROUP,
    NEW_IPC,
    NEW_MOUNTS,
    NEW_NET,
    NEW_PID,
    NEW_USER,
    NEW_UTS,
    NOSUID_NODEV_NOEXEC,
    Refused,
    can,
    enter,
    in_child,
    mount,
    new_root,
)

__all__ = ["Trial", "try_namespaces", "try_network", "try_overlay"]


class Trial(msgspec.Struct, frozen=True):
    """How far a child came; ``problem`` is ``step: ERRNO`` of the step that ended it."""

    namespaces: bool = False
    overlay: bool = False
    volatile: bool = False
    proc: bool = False
    problem: str = ""


def try_namespaces(folder: str) -> Trial:
    """The namespaces of a container; in them a new root (a tmpfs that covers ``folder``), an overlay, a fresh /proc."""
    answer = in_child(lambda: _namespaces(folder))
    return msgspec.json.decode(answer, type=Trial) if answer else Trial(problem="fork: no answer")


def try_network() -> bool:
    """Whether a network namespace can be made (sites that fear it set ``user.max_net_namespaces`` to 0)."""
    return in_child(lambda: b"yes" if can(lambda: enter(NEW_USER | NEW_NET)) else b"no") == b"yes"


def try_overlay(folder: str, *, volatile: bool) -> bool:
    """Whether an overlay with its upper directory in ``folder`` mounts, and takes whiteouts and opaque directories.

    Without ``volatile`` the kernel writes all of that file system's dirty pages when the trial ends: it may take long.
    """
    options = "userxattr,volatile" if volatile else "userxattr"
    place = f"{folder}/.trial-{os.getpid()}"
    # In a child: a killed parent leaves one that still cleans up behind itself.
    return in_child(lambda: _overlay_tried(place, options)) == b"yes"


def _overlay_tried(place: str, options: str) -> bytes:
    try:
        for name in ("", "/lower", "/lower/directory", "/lower/removed", "/upper", "/work", "/merged"):
            os.mkdir(f"{place}{name}", 0o700)
        return in_child(lambda: _overlay_at(place, options))
    except OSError:
        return b"no"
    finally:
        _remove(place)


def _namespaces(folder: str) -> bytes:
    try:
        enter(NEW_USER | NEW_MOUNTS | NEW_PID | NEW_IPC | NEW_UTS | NEW_CGROUP)
        mount("tmpfs", "tmpfs", folder, NOSUID_NODEV_NOEXEC, "mode=700")
        overlay = can(lambda: _mount_overlay(folder, "userxattr"))
        volatile = overlay and can(lambda: _mount_overlay(folder, "userxattr,volatile"))
        proc = in_child(lambda: b"yes" if can(lambda: _mount_proc(folder)) else b"no") == b"yes"
        new_root(folder)
    except (Refused, OSError) as error:
        return msgspec.json.encode(Trial(problem=str(error)))
    return msgspec.json.encode(Trial(namespaces=True, overlay=overlay, volatile=volatile, proc=proc))


def _mount_overlay(folder: str, options: str) -> None:
    place = f"{folder}/{options}".replace(",", "-")
    for name in ("", "/lower", "/upper", "/work", "/merged"):
        os.mkdir(f"{place}{name}")
    _overlay(place, options)


def _mount_proc(folder: str) -> None:
    os.mkdir(f"{folder}/proc")
    mount("proc", "proc", f"{folder}/proc", NOSUID_NODEV_NOEXEC, "")


def _overlay_at(place: str, options: str) -> bytes:
    try:
        enter(NEW_USER | NEW_MOUNTS)
        _overlay(place, options)
        os.rmdir(f"{place}/merged/removed")
        os.rmdir(f"{place}/merged/directory")
        os.mkdir(f"{place}/merged/directory")
    except (Refused, OSError):
        return b"no"
    return b"yes"


def _overlay(folder: str, options: str) -> None:
    places = ",".join(f"{name}dir={_escape(folder)}/{name}" for name in ("lower", "upper", "work"))
    mount("overlay", "overlay", f"{folder}/merged", 0, f"{options},{places}")


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


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
