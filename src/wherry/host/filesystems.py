"""Which file system a path lies on, from ``/proc/self/mountinfo`` (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

__all__ = ["existing", "filesystem_type", "is_remote", "mounts"]

_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "smbfs", "afs", "9p", "panfs", "wekafs"),
        *("pvfs2", "orangefs", "glusterfs", "gfs2", "ocfs2", "quobyte", "juicefs", "moosefs", "dvs", "autofs"),
    )
)
"""Types on which a directory may be seen by other nodes: no overlay upper, no ``flock``, no sockets there."""

_REMOTE_FUSE = (
    "sshfs",
    "glusterfs",
    "ceph",
    "lizardfs",
    "moosefs",
    "mfs",
    "juicefs",
    "beegfs",
    "s3fs",
    "quobyte",
    "rclone",
)


def filesystem_type(path: str) -> str:
    """The type of the file system of ``path`` (of its nearest existing parent); ``""`` where it is unknown."""
    real = existing(path)
    best, kind = "", ""
    for point, found in mounts():
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, found  # of two mounts on one point the later one is seen
    return kind


def is_remote(kind: str) -> bool:
    """Whether a file system of this type is shared between nodes."""
    if kind.startswith("fuse."):
        return kind[5:].startswith(_REMOTE_FUSE)
    return kind in _REMOTE


def existing(path: str) -> str:
    """The nearest parent of ``path`` that is there (or itself), without symbolic links."""
    path = os.path.abspath(path)
    while path != "/":
        try:
            os.stat(path)  # triggers an automount
            break
        except OSError:
            path = os.path.dirname(path)
    return os.path.realpath(path)


def mounts() -> list[tuple[str, str]]:
    """Mount point and type of each mount that this process sees, in the kernel's order."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split()
        kind = after.split(maxsplit=1)
        if len(fields) >= 5 and kind:
            found.append((_unescape(fields[4]), kind[0].decode(errors="replace")))
    return found


def _unescape(field: bytes) -> str:
    if b"\\" in field:
        for code in (b"040", b"011", b"012", b"134"):
            field = field.replace(b"\\" + code, bytes([int(code, 8)]))
    return os.fsdecode(field)
