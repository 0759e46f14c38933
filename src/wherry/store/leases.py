"""Leases: one file an image, node and session, ``leases/HEX/NODE~SESSION``: the image may be in use there.

The file holds the node's boot id; its mtime is its renewal. It is stale after a day, or when its node has another
boot id now. A session is the folder where running containers are noted: one node may have several of them (a login's
``/run/user/UID``, a job's private ``/tmp``), which cannot look into each other. A remover hides its own session's lease
(``.NAME.RANDOM`` beside it) before it looks whether anything runs, so that a start that comes too late finds no lease;
hidden leases still count for everybody else, should the remover die.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from wherry.base.digest import Digest
from wherry.store.durable import make_folder, read_small, write_file
from wherry.store.values import DAY, Lease

__all__ = ["all_of", "hide", "is_fresh", "may_be_used", "restore", "session_of", "take"]

_OTHER_SESSION = 3 * 3600.0
"""Seconds that another session's lease on this node counts: a container's parent renews it within two hours."""


def session_of(runtime: str) -> str:
    """The session of the folder of running containers: what tells two apart that have one path (a private /tmp)."""
    if not runtime:
        return ""
    try:
        found = os.stat(runtime)
    except OSError:
        return ""
    return f"{found.st_dev:x}-{found.st_ino:x}"


def take(root: str, digest: Digest, node: str, boot_id: str, session: str = "") -> str:
    """Create or renew the lease; return its path."""
    path = f"{root}/leases/{digest.hex}/{_file_name(node, session)}"
    content = f"{boot_id}\n".encode()
    if read_small(path) == content:
        try:
            os.utime(path)
            return path
        except FileNotFoundError:
            pass  # hidden by a remover just now
    try:
        write_file(root, path, content, sync=False)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # A full disk is no reason not to start what is there: an empty file needs no block and says all but the boot.
        make_folder(os.path.dirname(path))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        os.utime(path)
    return path


def all_of(root: str, digest: Digest) -> list[Lease]:
    """Every lease of the image, hidden ones too."""
    folder = f"{root}/leases/{digest.hex}"
    found = []
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for name in names:
        path = f"{folder}/{name}"
        try:
            renewed = os.stat(path).st_mtime
            boot_id = (read_small(path) or b"").decode(errors="replace").strip()
        except FileNotFoundError:
            continue
        node, _, session = (name[1:].rpartition(".")[0] if name.startswith(".") else name).partition("~")
        found.append(Lease(node, boot_id, renewed, path, session))
    return found


def is_fresh(lease: Lease, now: float, node: str, boot_id: str) -> bool:
    """Whether the lease still says anything; ``now`` by the file system's clock."""
    if lease.node == _file_name(node) and boot_id and lease.boot_id and lease.boot_id != boot_id:
        return False
    return now - lease.renewed < DAY


def may_be_used(lease: Lease, now: float, node: str, boot_id: str, session: str) -> bool:
    """Whether it is fresh and of somebody whose containers cannot be seen from here.

    An empty ``session`` is of one who does not tell sessions apart.
    """
    if not is_fresh(lease, now, node, boot_id):
        return False
    if lease.node != _file_name(node):
        return True
    return bool(session) and lease.session != session and now - lease.renewed < _OTHER_SESSION


def hide(root: str, digest: Digest, node: str, session: str = "") -> list[str]:
    """Take this session's leases (without ``session`` this node's) out of the launchers' sight; where they are now."""
    folder = f"{root}/leases/{digest.hex}"
    hidden = []
    try:
        os.utime(folder)  # a network file system must list the folder anew
        for name in os.listdir(folder):
            is_mine = name == _file_name(node, session) or (not session and name.partition("~")[0] == _file_name(node))
            if is_mine:
                place = f"{folder}/.{name}.{os.urandom(6).hex()}"
                os.rename(f"{folder}/{name}", place)
                hidden.append(place)
    except (FileNotFoundError, NotADirectoryError):
        pass
    return hidden


def restore(hidden: list[str]) -> None:
    """Undo :func:`hide`, except where a new lease is."""
    for place in hidden:
        folder, _, name = place.rpartition("/")
        path = f"{folder}/{name[1:].rpartition('.')[0]}"
        with suppress(FileNotFoundError):
            if os.path.lexists(path):
                os.unlink(place)
            else:
                os.rename(place, path)


def _file_name(node: str, session: str = "") -> str:
    name = node.replace("/", "_").replace("~", "_").lstrip(".") or "_"
    return f"{name}~{session}" if session else name
