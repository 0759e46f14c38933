"""COPY and ADD into an upper directory, by BuildKit's rules: links on the way to the target are followed in the image,
directories are merged, a file is replaced, and a directory is not by a file.

Owners: what comes from a context is root's, what comes from layers keeps its owner; ``--chown`` is for all, and for
the directories that had to be made. Contexts' files get one time, as their own is that of the checkout; in layers the
times stay.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from wherry.base.errors import StoreFull, UsageError, WherryError, reason
from wherry.build.context.contents import copy_content
from wherry.build.context.modes import Chmod, parse_chmod
from wherry.build.context.selecting import Pick, Selection
from wherry.build.context.sources import Node, Root, changed
from wherry.build.context.upper import Facts, Upper
from wherry.build.who import Ids
from wherry.image import Tree

if TYPE_CHECKING:
    from wherry.build.graph import CopyStep

__all__ = ["copy_into", "folder_in"]

_ROOT = Ids(0, 0)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def copy_into(
    upper: str, below: Tree, selection: Selection, step: CopyStep, *, owner: Ids | None = None, mtime: int | None = None
) -> None:
    """Copy what was selected to the target of ``step``, into the upper directory ``upper`` over the view ``below``.

    ``owner`` is what ``step.owner`` means; ``mtime`` (seconds) is the time of what comes from no layer: without it
    files keep theirs. May be called again for the next source. Raises :class:`Conflict` where something is in the way,
    :class:`UsageError` for a mode that is none, :class:`WherryError` for a file that cannot be read or was changed,
    :class:`StoreFull`, and for archives what unpacking raises.
    """
    chmod = parse_chmod(step.mode)
    copier = _Copier(Upper(upper, below), step, chmod, owner, None if mtime is None else mtime * 10**9)
    try:
        copier.copy(selection)
        copier.upper.close()
    except OSError as error:
        what = f"cannot copy to '{step.target}'"
        if error.errno in _FULL:
            hint = "'wherry prune' frees what nothing uses; WHERRY_STORE puts the store elsewhere"
            raise StoreFull(what, why=reason(error), hint=hint) from error
        raise WherryError(what, why=reason(error)) from error


def folder_in(upper: str, below: Tree, directory: str) -> list[str]:
    """Make a directory of the image in ``upper``, and those above it, links followed; the new ones, where they are on
    disk. Raises :class:`Conflict` where something is in the way."""
    layer = Upper(upper, below)
    made = layer.make_folder(layer.resolve(directory), Facts(0, 0, 0o755))
    layer.close()
    return [upper + path for path in made]


class _Copier:
    def __init__(
        self, upper: Upper, step: CopyStep, chmod: Chmod | None, owner: Ids | None, mtime_ns: int | None
    ) -> None:
        self.upper = upper
        self._step = step
        self._chmod = chmod
        self._owner = owner
        self._mtime_ns = mtime_ns
        made_by = owner or _ROOT
        self._folder = Facts(made_by.uid, made_by.gid, 0o755, mtime_ns)
        self._links: dict[tuple[int, int], str] = {}
        self._linked: dict[str, tuple[int, int]] = {}

    def copy(self, selection: Selection) -> None:
        target = self._step.target
        is_folder = target.endswith(("/", "/.", "/.."))
        files = [pick for pick in selection.picks if not (pick.parents or pick.top.is_dir)]
        if is_folder and selection.picks:
            self._make(self._resolve(target))
        elif len(files) > 1 and self.upper.kind(self._resolve(target)) != "dir":
            raise UsageError(
                f"'{target}' is to be {len(files)} files",
                why=f"the sources are {', '.join(pick.name for pick in files[:4])}{'...' if len(files) > 4 else ''}",
                hint=f"with a slash at its end it is a directory: '{target}/'",
            )
        for pick in selection.picks:
            self._copy(selection, pick, self._resolve(target))

    def _copy(self, selection: Selection, pick: Pick, target: str) -> None:
        if pick.parents or pick.top.is_dir:
            self._make(target)
            self._merge(selection.root, pick, target, taken=selection.taken)
            return
        if selection.unpack and self._unpacked(selection, pick, target):
            return
        if self.upper.kind(target) == "dir":
            target = f"{target}/{pick.name}"
        self._make(target.rpartition("/")[0])
        self._one(selection.root, pick.top, target, taken=selection.taken, replace=self._step.link)

    def _unpacked(self, selection: Selection, pick: Pick, target: str) -> bool:
        from wherry.build.context.archives import unpacked

        work = os.path.dirname(self.upper.folder)
        with unpacked(selection.root, pick.top, work) as found:
            if found is None:
                return False
            self._make(target, replace=True)
            self._merge(found.root, found.picks[0], target, taken=found.taken, replace=True, keep_modes=True)
        return True

    def _merge(
        self,
        root: Root,
        pick: Pick,
        target: str,
        *,
        taken: bool = False,
        replace: bool = False,
        keep_modes: bool = False,
    ) -> None:
        """What is in a directory into another; directories that are there get the modes and owners of the new ones."""
        replace = replace or self._step.link
        for path, node in pick.entries[1:]:
            place = f"{target}/{path}"
            if not node.is_dir:
                self._one(root, node, place, taken=taken, replace=replace, keep_modes=keep_modes)
                continue
            facts = self._facts(root, node, -1, keep_modes=keep_modes)
            if place not in self.upper.make_folder(place, facts, replace=replace):
                self.upper.describe(place, facts)

    def _one(self, root: Root, node: Node, place: str, *, taken: bool, replace: bool, keep_modes: bool = False) -> None:
        real = self.upper.place(place, replace=replace)
        if real in self._linked:  # another file has this name from now on
            self._links.pop(self._linked.pop(real), None)
        first = self._links.get(node.stamp[:2]) if root.keeps and node.links > 1 and node.is_file else None
        if first is not None:
            with contextlib.suppress(OSError):  # a file can only have so many names
                os.link(first, real, follow_symlinks=False)
                return
        if node.is_link:
            os.symlink(node.target, real)
            self._note_beside(root, node, place, keep_modes=keep_modes)
        elif stat.S_ISFIFO(node.mode):
            os.mkfifo(real, 0o600)
            os.chmod(real, self._mode(node, keep_modes) & 0o1777)
            self._note_beside(root, node, place, keep_modes=keep_modes)
        else:
            self._file(root, node, real, taken=taken, keep_modes=keep_modes)
            if root.keeps and node.links > 1:
                self._links[node.stamp[:2]] = real
                self._linked[real] = node.stamp[:2]

    def _file(self, root: Root, node: Node, real: str, *, taken: bool, keep_modes: bool) -> None:
        source = root.open(node) if node.is_file else -1
        try:
            target = self._moved(node, real) if taken and source >= 0 else -1
            if target < 0:
                target = os.open(real, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                if source >= 0:
                    _copy_checked(source, target, node, root)
            try:
                facts = self._facts(root, node, source, keep_modes=keep_modes)
                self.upper.note(target, facts)
                if facts.mtime_ns is not None:
                    os.utime(target, ns=(facts.mtime_ns, facts.mtime_ns))
            finally:
                os.close(target)
        finally:
            if source >= 0:
                os.close(source)

    def _moved(self, node: Node, real: str) -> int:
        """A copy of our own need not be copied again."""
        if not node.real:
            return -1
        try:
            os.rename(node.real, real)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return -1
        os.chmod(real, 0o600)
        return os.open(real, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _note_beside(self, root: Root, node: Node, place: str, *, keep_modes: bool) -> None:
        facts, real = self._facts(root, node, -1, keep_modes=keep_modes), self.upper.folder + place
        self.upper.note_beside(place, facts)
        if facts.mtime_ns is not None:
            os.utime(real, ns=(facts.mtime_ns, facts.mtime_ns), follow_symlinks=False)

    def _facts(self, root: Root, node: Node, descriptor: int, *, keep_modes: bool = False) -> Facts:
        kind = "c" if stat.S_ISCHR(node.mode) else "b" if stat.S_ISBLK(node.mode) else ""
        return Facts(
            self._owner.uid if self._owner else node.uid,
            self._owner.gid if self._owner else node.gid,
            self._mode(node, keep_modes),
            node.mtime_ns if root.dated or self._mtime_ns is None else self._mtime_ns,
            kind,
            node.device,
            node.xattrs,
            root.attributes(node, descriptor) if node.is_file or node.is_dir else {},
        )

    def _mode(self, node: Node, keep: bool) -> int:
        return stat.S_IMODE(node.mode) if keep or self._chmod is None else self._chmod.of(node.mode)

    def _make(self, path: str, *, replace: bool = False) -> None:
        self.upper.make_folder(path, self._folder, replace=replace or self._step.link)

    def _resolve(self, target: str) -> str:
        """With ``--link`` what is below is not looked at: links there make room for directories."""
        if not self._step.link:
            return self.upper.resolve(target)
        parts: list[str] = []
        for part in target.split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return "".join(f"/{part}" for part in parts)


def _copy_checked(source: int, target: int, node: Node, root: Root) -> None:
    copied = copy_content(source, target, os.fstat(source))
    if copied != node.size or not root.is_as_seen(node, os.fstat(source)):
        raise changed(root.shown, node.path)
