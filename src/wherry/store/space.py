"""How much room there is: the file system's, and the quotas of the user and of the group where the kernel tells them.

Quotas are read by quotactl_fd(2) (Linux 5.14) or quotactl(2), for local file systems (ext4, XFS, tmpfs); those of a
project are reported as the free space there. File servers (NFS, Lustre) keep theirs to themselves; many report them as
the free space, too, else the write's own EDQUOT is translated (``faults``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

import msgspec

from wherry.base.errors import StoreFull

__all__ = ["Quota", "Space", "human", "measure", "require", "suggestion"]

_SUGGEST_AT = 0.8


class Quota(msgspec.Struct, frozen=True):
    """What a user, or the group that new files belong to, may have, in bytes and in files; a limit of 0 is none."""

    used: int
    limit: int
    files: int = 0
    files_limit: int = 0


class Space(msgspec.Struct, frozen=True):
    """``free`` is what this user may still write: bytes, and files (-1: the file system does not count them)."""

    free: int
    free_files: int
    quota: Quota | None = None


_STORE_HINT = (
    "'wherry df' shows what is used, 'wherry prune' frees what no image needs; or keep images elsewhere: "
    "export WHERRY_STORE=/a/folder/on/a/larger/file/system"
)


def require(path: str, bytes_needed: int, what: str, hint: str = _STORE_HINT) -> None:
    """Raise :class:`StoreFull` unless ``bytes_needed`` fit below ``path``; where nothing can be told, pass.

    ``what`` begins the message: ``the image 'debian:12'``; ``hint`` ends it.
    """
    try:
        space = measure(path)
    except OSError:
        return
    if space.free >= bytes_needed and space.free_files != 0:
        return
    if space.free >= bytes_needed:
        why = "no further file (inode) can be made there, though bytes are free"
    elif space.quota and space.quota.limit and space.quota.limit - space.quota.used == space.free:
        quota = space.quota
        why = f"{human(space.free)} are left of your quota of {human(quota.limit)} there"
    else:
        why = f"{human(space.free)} are free there"
    raise StoreFull(
        f"{what} needs {human(bytes_needed)} in '{path}'",
        why=why,
        hint=hint,
    )


def measure(path: str) -> Space:
    """Free space below ``path``. Raises :class:`OSError`."""
    found = os.statvfs(path)
    free, files = found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1
    quota = read_quota(path)
    if quota is not None and quota.limit:
        free = min(free, max(0, quota.limit - quota.used))
    if quota is not None and quota.files_limit:
        left = max(0, quota.files_limit - quota.files)
        files = left if files < 0 else min(files, left)
    return Space(free, files, quota)


def suggestion(path: str, measure_store: Callable[[], int], *, has_limit: bool) -> str:
    """A line for people when their quota is over 80 % full; empty otherwise.

    ``measure_store`` gives the store's share in bytes; it is asked only then.
    """
    try:
        quota = measure(path).quota
    except OSError:
        return ""
    if quota is None or not quota.limit or quota.used < _SUGGEST_AT * quota.limit:
        return ""
    store_bytes = measure_store()
    line = (
        f"your quota at '{path}' is {quota.used * 100 // quota.limit} % used "
        f"({human(quota.used)} of {human(quota.limit)}), {human(store_bytes)} of it by images: "
    )
    if has_limit:
        return line + "'wherry prune' frees what no image needs"
    wanted = max(1, (store_bytes or quota.limit) // 2 // 1024**3)
    return line + f"'wherry prune' frees what no image needs; store.max_size = \"{wanted}G\" keeps it small from now on"


def human(size: int) -> str:
    """``size`` bytes as Docker shows them: decimal units, three digits (``1.3 GB``)."""
    if size < 1000:
        return f"{size} B"
    value, units = float(size), ["PB", "TB", "GB", "MB", "kB"]
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop()
    return f"{value:.3g} {unit}"


# ---- quotactl(2) ----------------------------------------------------------------------------------------------------

_Q_GETQUOTA = 0x800007
_USRQUOTA, _GRPQUOTA = 0, 1
_QIF_DQBLKSIZE = 1024
_SYS_QUOTACTL_FD = 443  # the same number on x86-64 and aarch64


def read_quota(path: str) -> Quota | None:
    """The tighter of this user's and the group's quota on the file system of ``path``.

    None where there is none or the kernel does not say.
    """
    try:
        folder = os.stat(path)
    except OSError:
        return None
    group = folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()
    return tightest([_read_quota(path, _USRQUOTA, os.getuid()), _read_quota(path, _GRPQUOTA, group)])


def tightest(quotas: Sequence[Quota | None]) -> Quota | None:
    """What all of them leave, in bytes and in files."""
    by_bytes = [quota for quota in quotas if quota is not None and quota.limit]
    by_files = [quota for quota in quotas if quota is not None and quota.files_limit]
    if not by_bytes and not by_files:
        return None
    least = min(by_bytes, key=lambda quota: quota.limit - quota.used, default=Quota(0, 0))
    fewest = min(by_files, key=lambda quota: quota.files_limit - quota.files, default=Quota(0, 0))
    return Quota(least.used, least.limit, fewest.files, fewest.files_limit)


def _read_quota(path: str, kind: int, owner: int) -> Quota | None:
    import ctypes
    import struct

    command = ctypes.c_uint((_Q_GETQUOTA << 8) | kind)
    identifier = ctypes.c_uint(owner)
    answer = ctypes.create_string_buffer(struct.calcsize("=8QI4x"))  # struct if_dqblk, linux/quota.h
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = libc.syscall(ctypes.c_long(_SYS_QUOTACTL_FD), ctypes.c_uint(fd), command, identifier, answer)
    finally:
        os.close(fd)
    if status != 0:
        device = _device_of(path)
        if not device or not hasattr(libc, "quotactl"):
            return None
        if libc.quotactl(ctypes.c_int(command.value), device.encode(), ctypes.c_int(identifier.value), answer) != 0:
            return None
    return parse_quota(answer.raw)


def parse_quota(answer: bytes) -> Quota | None:
    """``struct if_dqblk``: limits in KiB and in files, the soft one counts where it is lower (it becomes hard)."""
    import struct

    hard, soft, used, files_hard, files_soft, files, *_ = struct.unpack("=8QI4x", answer)
    limit = min((value for value in (hard, soft) if value), default=0) * _QIF_DQBLKSIZE
    files_limit = min((value for value in (files_hard, files_soft) if value), default=0)
    return Quota(used, limit, files, files_limit) if limit or files_limit else None


def _device_of(path: str) -> str:
    """The block device that ``path`` lies on (proc(5), mountinfo); empty where there is none."""
    number = os.stat(path).st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split(" ")
                if fields[2] == wanted:
                    source = line.partition(" - ")[2].split(" ")[1]
                    return source if source.startswith("/dev/") else ""
    except (OSError, IndexError):
        return ""
    return ""
