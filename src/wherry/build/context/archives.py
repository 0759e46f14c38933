"""Archives: contexts that are tars, and tars among what is copied (ADD). They are told by their content."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from wherry.base.errors import WherryError, reason
from wherry.build.context.selecting import Selection, select
from wherry.build.context.sources import Node, Owner, Root, View
from wherry.containers import remove_tree
from wherry.image import Entry, LooseTree, Tree, inlined, is_tar, unpack_tar

__all__ = ["as_folder", "is_tar", "unpacked"]


class _Owner(msgspec.Struct, frozen=True):
    uid: int = 0
    gid: int = 0
    mode: int = -1
    kind: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}


_NOBODY = _Owner()


@contextmanager
def unpacked(root: Root, node: Node, work: str) -> Iterator[Selection | None]:
    """All that is in an archive, below the folder ``work`` until the block ends; None when the file is none.

    Owners, modes and devices are those that the archive names. Raises what unpacking raises.
    """
    descriptor = root.open(node)
    try:
        if not is_tar(descriptor):
            yield None
            return
        folder = tempfile.mkdtemp(prefix="unpacked-", dir=work)
        try:
            loose = unpack_tar(descriptor, folder, node.path)
            yield select(_view(loose, node.path), ["."], taken=True)
        finally:
            remove_tree(folder)
    finally:
        os.close(descriptor)


def as_folder(descriptor: int, work: str, subject: str) -> str:
    """The tar of a context, unpacked below the folder ``work`` with the modes that it names; the folder of its files.

    Devices are left out. Raises as :func:`unpacked`.
    """
    loose = unpack_tar(descriptor, work, subject)
    for path, entry in loose.entries.items():
        real = f"{loose.tree}/{path}"
        if entry.kind not in ("file", "dir") or not entry.mode & 0o6022:
            continue
        try:
            if not os.path.islink(real):
                os.chmod(real, entry.mode | 0o600)
        except FileNotFoundError:
            continue  # a later entry removed it
        except OSError as error:
            raise WherryError(f"'{subject}' cannot be unpacked", why=f"'{path}': {reason(error)}") from None
    return loose.tree


def _view(loose: LooseTree, shown: str) -> View:
    view = Tree([loose.tree])
    devices: dict[str, dict[str, Owner]] = {}
    for path, entry in loose.entries.items():
        folder, _, name = path.rpartition("/")
        if entry.kind in ("char", "block") and not os.path.lexists(f"{loose.tree}/{path}"):
            parent = view.stat(f"/{folder}", follow=False)
            if parent is not None and parent.is_dir:
                devices.setdefault(parent.path, {})[name] = _Owner(
                    entry.uid, entry.gid, entry.mode, entry.kind, entry.device, entry.xattrs
                )

    def owner(entry: Entry) -> Owner:
        known = loose.entries.get(entry.path.strip("/"))
        if known is None:
            return _NOBODY
        foreign = {name: value for name, value in known.xattrs.items() if not name.startswith("user.")}
        return _Owner(known.uid, known.gid, known.mode, xattrs=foreign)

    def closed(real: str) -> Iterator[bytes]:
        return inlined(loose.table, real[len(loose.tree) + 1 :])

    return View(view, owner, lambda: devices, closed, f"the archive '{shown}'")
