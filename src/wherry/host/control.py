"""Where a container's control group could be made, and what else bounds its processes; looked for when limits are
asked."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal

import msgspec

from wherry.base.errors import SettingsError
from wherry.base.outside import Outside
from wherry.host.cgroups import find_cgroup
from wherry.host.facts import Cgroup, Survival
from wherry.host.filesystems import mounts
from wherry.host.parallel import find_batch
from wherry.host.survival import find_survival
from wherry.host.switches import read_namespaces, read_text

__all__ = ["Control", "find_control", "find_lifetime"]

_NEWUSER = 0x10000000


class Control(msgspec.Struct, frozen=True):
    """``controllers`` are those that a group made in the folder ``parent`` would have; none: ``problem`` says why.

    ``root`` is the cgroup2 tree. ``handed``: the settings name ``parent``; else it was found above the group in which
    we are. ``systemd_run`` is its path where the user's systemd answers and would make a group, ``manager`` what that
    one could give. ``counts``: RLIMIT_NPROC counts a user namespace's processes alone (Linux 5.14 and newer).
    """

    root: str = ""
    parent: str = ""
    controllers: tuple[str, ...] = ()
    handed: bool = False
    systemd_run: str = ""
    manager: tuple[str, ...] = ()
    counts: bool = False
    problem: str = ""


def find_control(outside: Outside, uid: int, handed: str = "", *, processes: bool = False) -> Control:
    """What bounds a container here; ``handed`` is the folder that a site's prolog made for this user.

    ``processes``: also tries how processes are counted. Raises :class:`SettingsError` when ``handed`` is no group.
    """
    cgroup = find_cgroup(uid)
    root = next((point for point, kind in mounts() if kind == "cgroup2"), "")
    counts = processes and uid != 0 and _counts_by_namespace()
    if handed:
        return Control(root, handed, _handed_controllers(handed), handed=True, counts=counts)
    program = (shutil.which("systemd-run", path=outside.env("PATH")) or "") if cgroup.systemd else ""
    manager = _manager_controllers(root, uid) if program else ()
    parent, controllers = ("", ()) if manager else parent_of(root, cgroup.path)
    problem = "" if manager or controllers else _problem(cgroup)
    return Control(root, parent, controllers, systemd_run=program, manager=manager, counts=counts, problem=problem)


def parent_of(root: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The nearest folder above our group that is ours and gives controllers to groups in it, and these.

    It is never our own: a group that gives controllers to others holds no process itself. From our group to one there
    a process moves when both and what is between them may be written (cgroups(7), "Delegation").
    """
    folder = f"{root}{path}"
    while root and len(folder) > len(root) and os.access(f"{folder}/cgroup.procs", os.W_OK):
        folder = os.path.dirname(folder)
        ours = os.access(folder, os.W_OK) and os.access(f"{folder}/cgroup.procs", os.W_OK)
        controllers = tuple(read_text(f"{folder}/cgroup.subtree_control").split()) if ours else ()
        if controllers:
            return folder, controllers
    return "", ()


def find_lifetime(user: str) -> Survival:
    """How long a detached process lives here."""
    return find_survival(user, find_batch(os.environ), read_namespaces().outer)


def _handed_controllers(folder: str) -> tuple[str, ...]:
    if not folder.startswith("/") or not os.access(f"{folder}/cgroup.procs", os.W_OK):
        why = "it must be the absolute path of a group" if folder[0] != "/" else "it is no control group of yours"
        raise SettingsError(
            f"setting 'resources.cgroup' is '{folder}'",
            why=why,
            hint="docs/how-to/limit-memory-and-cpu.md says how a prolog hands one over",
        )
    return tuple(read_text(f"{folder}/cgroup.controllers").split())


def _manager_controllers(root: str, uid: int) -> tuple[str, ...]:
    return tuple(read_text(f"{root}/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers").split())


def _problem(cgroup: Cgroup) -> str:
    if cgroup.version in ("", "v1"):
        return "this machine has no control groups of version 2"
    if cgroup.version == "hybrid":
        return "this machine keeps its controllers in control groups of version 1, which users may not make"
    return "no control group is handed over to you, and no systemd of yours answers"


def _counts_by_namespace() -> bool:
    """Three processes outside, one inside with room for two: a second one starts only where those are not counted."""
    library = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        answer = 1
        with contextlib.suppress(BaseException):
            answer = 0 if _starts_another(library) else 1
        os._exit(answer)
    _, status = os.waitpid(child, 0)
    return status == 0


def _starts_another(library: ctypes.CDLL) -> bool:
    sleepers = [_sleeper() for _ in range(3)]
    try:
        if library.unshare(_NEWUSER):
            return False
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
        sleepers.append(_sleeper())
    except OSError:
        return False
    finally:
        for pid in sleepers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return True


def _sleeper() -> int:
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            signal.pause()
        os._exit(0)
    return pid
