"""FUSE: the device, a mount in a namespace of our own, and the set-id helper that mounts outside of one."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import subprocess

from wherry.host.facts import Fuse
from wherry.host.kernel import NEW_MOUNTS, NEW_USER, Refused, enter, in_child, mount
from wherry.host.programs import find_in_path

__all__ = ["find_fuse"]

_DEVICE = "/dev/fuse"
_PATIENCE = 5.0


def find_fuse(folder: str, *, namespaces: bool) -> Fuse:
    """Open the device, and mount with it below ``folder``: in a namespace where these can be had, and by the helper."""
    helper = find_in_path("fusermount3", "fusermount")
    if not os.path.exists(_DEVICE):
        return Fuse(fusermount=helper)
    opens = _opens()
    return Fuse(
        device=True,
        opens=opens,
        mounts=namespaces and opens and in_child(lambda: _mounts(folder)) == b"yes",
        fusermount=helper,
        helps=bool(helper) and _helps(helper, folder),
    )


def _opens() -> bool:
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _mounts(folder: str) -> bytes:
    try:
        enter(NEW_USER | NEW_MOUNTS)
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
        owner = f"user_id={os.geteuid()},group_id={os.getegid()}"
        mount("fuse", "wherry", folder, 2 | 4, f"fd={device},rootmode=40000,{owner}")
    except (Refused, OSError):
        return b"no"
    return b"yes"


def _helps(helper: str, folder: str) -> bool:
    """The helper gives the device's descriptor by a socket (``_FUSE_COMMFD``) once it has mounted."""
    place = f"{folder}/.fuse-{os.getpid()}"
    ours, theirs = socket.socketpair()
    try:
        os.mkdir(place, 0o700)
        done = subprocess.run(
            [helper, "-o", "fsname=wherry", "--", place],
            env={"_FUSE_COMMFD": str(theirs.fileno()), "PATH": os.defpath},
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
        if done.returncode != 0:
            return False
        ours.settimeout(_PATIENCE)
        _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
        for _, _, data in ancillary:
            os.close(array.array("i", data[:4])[0])
        return bool(ancillary)
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        ours.close()
        theirs.close()
        _unmount(helper, place)


def _unmount(helper: str, place: str) -> None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run([helper, "-u", "-q", "-z", "--", place], stdin=subprocess.DEVNULL, timeout=_PATIENCE)
    with contextlib.suppress(OSError):
        os.rmdir(place)
