"""The mount of a packed image: found or made, and held. ``docs/design/mounts.md`` says what lies in its folder.

A keeper (``native/keeper``) mounts it and waits until nobody holds the lock any more; whoever uses the mount holds it,
and the kernel lets go of it however that process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Mapping

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import LaunchError, WherryError, reason

__all__ = ["JOB_VARIABLES", "Hold", "Mount", "Refused", "Server", "folder_of", "mount", "mount_key", "readable_tree"]

JOB_VARIABLES = (
    *("SLURM_JOB_ID", "SLURM_STEP_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "SGE_TASK_ID", "OAR_JOB_ID"),
    *("FLUX_JOB_ID", "_CONDOR_SCRATCH_DIR", "XDG_SESSION_ID"),
)
"""What tells jobs, their steps and login sessions apart: what ends with one takes its processes along, so each has
mounts of its own."""

_LONGEST = 40
_PATIENCE = 20.0


class Refused(Exception):
    """This way of mounting cannot be had here; the text says why."""


class Server(msgspec.Struct, frozen=True):
    """What mounts: the words of the program that serves the file system (the mount point is added), and ``helper``,
    the path of fusermount3; without one the program gets a user and mount namespace of its own. ``plain``: the file
    system holds no extended attributes."""

    words: tuple[str, ...]
    helper: str = ""
    plain: bool = False


class Hold:
    """A lock that is held until this is forgotten, and by what this process becomes."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class Mount(msgspec.Struct, frozen=True):
    """The mount of the image file ``path``. ``prefix`` is its folder's path without the job's part, ``tree`` where this
    process can read it now, ``helper`` the fusermount3 by which it was mounted, empty for one in another namespace."""

    path: str
    prefix: str
    tree: str
    helper: str
    hold: Hold


def mount_key(stamp: os.stat_result, offset: int, *, helper: bool) -> str:
    """The name of a mount: of a file as it is (another file of the same name has another), and a way of mounting."""
    parts = (stamp.st_dev, stamp.st_ino, stamp.st_size, stamp.st_mtime_ns, stamp.st_ctime_ns, offset)
    text = ":".join(map(str, parts))
    return Digest.of(text.encode()).hex[:24] + ("h" if helper else "n")


def folder_of(prefix: str, environ: Mapping[str, str]) -> str:
    """The folder of this job's mount; the launcher makes the same name of MOUNTED (``native/launcher/packed.c``)."""
    parts = [prefix]
    for name in JOB_VARIABLES:
        if name in environ:
            value = os.fsencode(environ[name])[-_LONGEST:]
            parts.append("".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else "_" for byte in value))
    return "-".join(parts)


def readable_tree(folder: str, *, helper: bool) -> str:
    """Where this process can read what is mounted in ``folder``; empty when nothing is, or its program has ended."""
    tree = f"{folder}/tree"
    if not helper:
        server = _server_of(folder)
        if server is None:
            return ""
        tree = f"/proc/{server}/root{tree}"
    try:
        os.statvfs(tree)  # asks the program: what is remembered of the root is no sign of life
        return tree if os.stat(tree).st_dev != os.stat(folder).st_dev else ""
    except OSError:
        return ""


def mount(
    path: str, prefix: str, image: int, server: Server, keeper: str, environ: Mapping[str, str], *, grace: int
) -> Mount:
    """Mount what the open file ``image`` (``path``) holds, or use the mount that is there; either is held.

    Raises :class:`Refused` with what the program said, :class:`LaunchError` when nothing happens for long.
    """
    folder = folder_of(prefix, environ)
    until, pause = time.monotonic() + _PATIENCE, 0.004
    while time.monotonic() < until:
        hold = _hold(folder)
        if hold is not None:
            tree = readable_tree(folder, helper=bool(server.helper))
            if tree:
                return Mount(path, prefix, tree, server.helper, hold)
            answer = _start_keeper(folder, image, server, keeper, environ, grace)
            if answer == "ready":
                continue
            if answer != "busy":
                raise Refused(answer.removeprefix("failed: "))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    raise LaunchError(
        "the image is not mounted",
        why=f"another process has been about to mount or unmount it for {_PATIENCE:.0f} seconds, in '{folder}'",
        hint="end the process wherry-keeper of that folder, or start again with the setting run.mount=unpack",
    )


def _hold(folder: str) -> Hold | None:
    """The lock of a folder, which is made; None while its keeper takes it away."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        descriptor = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None  # it went between the two
    except OSError as error:
        raise _unusable(folder, error) from None
    hold = Hold(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    if os.fstat(descriptor).st_nlink == 0:
        return None
    os.utime(descriptor)
    os.set_inheritable(descriptor, True)  # the launcher, once it is in our place, has it until it has its own
    return hold


def _start_keeper(folder: str, image: int, server: Server, keeper: str, environ: Mapping[str, str], grace: int) -> str:
    attributes = "none" if server.plain else "some"
    words = [keeper, folder, server.helper or "-", str(grace), attributes, *server.words, f"{folder}/tree"]
    reader, writer = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, image, 103), (os.POSIX_SPAWN_DUP2, writer, 104)]
        actions += [(os.POSIX_SPAWN_DUP2, 103, 3), (os.POSIX_SPAWN_DUP2, 104, 4)]
        process = os.posix_spawn(keeper, words, {"PATH": environ.get("PATH", os.defpath)}, file_actions=actions)
    except OSError as error:
        os.close(reader)
        raise LaunchError(
            f"cannot start '{keeper}'", why=reason(error), hint="install wherry again: pip install --force-reinstall ."
        ) from None
    finally:
        os.close(writer)
    try:
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: it went by itself
            os.waitpid(process, 0)
        if not select.select([reader], [], [], _PATIENCE)[0]:
            return "failed: it does not answer"
        return os.read(reader, 4096).decode(errors="replace") or "failed: the keeper was killed"
    finally:
        os.close(reader)


def _server_of(folder: str) -> int | None:
    """The process that serves a mount in a namespace of its own, None when it has ended (native/keeper/place.h)."""
    try:
        with open(f"{folder}/server", "rb") as file:
            pid, started = map(int, file.read(64).split())
        with open(f"/proc/{pid}/stat", "rb") as file:
            now = int(file.read(1024).rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return pid if now == started else None


def _unusable(folder: str, error: OSError) -> WherryError:
    return LaunchError(
        f"cannot mount an image in '{folder}'",
        why=reason(error),
        hint="set XDG_RUNTIME_DIR or TMPDIR to a folder of yours on this node",
    )
