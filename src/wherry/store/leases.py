"""Leases: one file an image and node, ``leases/HEX/NODE``, that says the image may be in use there.

The file holds the node's boot id; its mtime is its renewal. It is stale after a day, or when its node has another
boot id now. A remover hides a lease (``.NODE.RANDOM`` beside it) before it looks whether anything runs, so that a start
that comes too late finds no lease; hidden leases still count for everybody else, should the remover die.
"""

from __future__ import annotations

import errno
import os

from wherry.base.digest import Digest
from wherry.store.durable import make_folder, read_small, write_file
from wherry.store.values import DAY, Lease

__all__ = ["all_of", "hide", "is_fresh", "restore", "take"]


def take(root: str, digest: Digest, node: str, boot_id: str) -> str:
    """Create or renew the lease; return its path."""
    path = f"{root}/leases/{digest.hex}/{_file_name(node)}"
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
        node = name[1:].rpartition(".")[0] if name.startswith(".") else name
        found.append(Lease(node, boot_id, renewed, path))
    return found


def is_fresh(lease: Lease, now: float, node: str, boot_id: str) -> bool:
    """Whether the lease still says anything; ``now`` by the file system's clock."""
    if lease.node == _file_name(node) and boot_id and lease.boot_id and lease.boot_id != boot_id:
        return False
    return now - lease.renewed < DAY


def hide(root: str, digest: Digest, node: str) -> str | None:
    """Take this node's lease out of the launchers' sight; None when there is none."""
    folder = f"{root}/leases/{digest.hex}"
    hidden = f"{folder}/.{_file_name(node)}.{os.urandom(6).hex()}"
    try:
        os.utime(folder)  # a network file system must list the folder anew
        os.rename(f"{folder}/{_file_name(node)}", hidden)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return hidden


def restore(root: str, digest: Digest, node: str, hidden: str | None) -> None:
    """Undo :func:`hide`, unless a new lease is there."""
    if hidden is None:
        return
    path = f"{root}/leases/{digest.hex}/{_file_name(node)}"
    try:
        if os.path.lexists(path):
            os.unlink(hidden)
        else:
            os.rename(hidden, path)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))


def _file_name(node: str) -> str:
    return node.replace("/", "_").lstrip(".") or "_"
