"""What the sources of a COPY mean: the things that are copied, each with all below it.

Wildcards are Go's ``filepath.Match``; a source that is a symbolic link is followed inside the root, links below a
directory are copied as such; of a directory the content is copied (https://docs.docker.com/reference/dockerfile/#copy).
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from wherry.base.errors import NotFound, WherryError
from wherry.build.context.ignore import NOTHING, Ignore, ignore_of
from wherry.build.context.patterns import Glob, clean, has_wildcards, matcher, unescaped
from wherry.build.context.sources import Folder, Node, Root, Seen, follow
from wherry.image import Tree

__all__ = ["Found", "Pick", "Selection", "select"]


class Pick(msgspec.Struct, frozen=True):
    """A thing that is copied: ``name`` is what it was called, ``entries`` are it (at an empty path) and all below it,
    a directory before what it holds. ``parents``: it is only where the paths of ``--parents`` begin."""

    name: str
    entries: tuple[tuple[str, Node], ...]
    parents: bool = False

    @property
    def top(self) -> Node:
        return self.entries[0][1]


class Found(msgspec.Struct, frozen=True):
    """``notes`` are what the user should know."""

    root: Root
    picks: tuple[Pick, ...]
    notes: tuple[str, ...] = ()


class Selection:
    """What was selected; where it can only be one thing, it is looked for, or fetched, when it is asked for.

    ``unpack``: archives among the files are unpacked (ADD). ``taken``: the root is a copy of our own, of which files
    may be moved. ``identity``: of two selections with the same one (not empty) all is the same, for ever.
    """

    def __init__(
        self, find: Callable[[], Found], *, unpack: bool = False, taken: bool = False, identity: str = ""
    ) -> None:
        self.unpack = unpack
        self.taken = taken
        self.identity = identity
        self._find = find
        if not identity:
            _ = self._found  # a folder changes: what is in it now is meant

    @cached_property
    def _found(self) -> Found:
        return self._find()

    @property
    def root(self) -> Root:
        return self._found.root

    @property
    def picks(self) -> tuple[Pick, ...]:
        """Raises as :func:`select`, and what fetching raises."""
        return self._found.picks

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know. Raises as :attr:`picks`."""
        return self._found.notes


def select(
    root: Root | Tree | str,
    patterns: Sequence[str],
    *,
    ignore: Ignore = NOTHING,
    exclude: Sequence[str] = (),
    parents: bool = False,
    unpack: bool = False,
    taken: bool = False,
    seen: Seen | None = None,
) -> Selection:
    """The things that ``patterns`` mean below ``root``; ``ignore`` and ``seen`` are for a folder.

    Of layers all is looked for when it is asked for. A pattern with wildcards may match nothing, which is noted;
    raises :class:`NotFound` for any other that leads to nothing, :class:`UsageError` for a malformed one,
    :class:`WherryError` for what cannot be read or copied.
    """
    if isinstance(root, str):
        root = Folder(root, ignore=ignore, seen=seen)
    elif isinstance(root, Tree):
        from wherry.build.context.stages import view_of_tree

        root = view_of_tree(root)
    excluded, patterns = ignore_of(exclude, "--exclude"), tuple(patterns)

    def find() -> Found:
        chosen = _Selecting(root, excluded)
        for pattern in patterns:
            if parents:
                chosen.with_parents(pattern)
            else:
                chosen.plain(pattern)
        if isinstance(root, Folder):
            root.note(node for pick in chosen.picks for _, node in pick.entries)
        return Found(root, tuple(chosen.picks), tuple(chosen.notes))

    identity = ""
    if root.identity:
        said = (root.identity, *patterns, "--exclude", *exclude, "--parents" if parents else "")
        identity = "\0".join((*said, "--unpack" if unpack else ""))
    return Selection(find, unpack=unpack, taken=taken, identity=identity)


class _Selecting:
    def __init__(self, root: Root, excluded: Ignore) -> None:
        self.picks: list[Pick] = []
        self.notes: list[str] = []
        self._root = root
        self._excluded = excluded

    def plain(self, pattern: str) -> None:
        for name, node in self._matches(pattern):
            if not node.is_dir:
                if self._excluded.matches(name) or self._excluded.matches(node.path):
                    continue
                self._check_kind(node)
                self.picks.append(Pick(name, (("", node),)))
                continue
            entries = _without_hollow(self._walked(node), lambda rel, each: self._root.ignore.matches(each.path))
            if not entries and self._root.ignore.matches(node.path):
                raise self._missing(pattern)
            self.picks.append(Pick(name, entries or (("", node),)))

    def with_parents(self, pattern: str) -> None:
        """``PATH/./REST``: of what matches the directories from ``REST`` on are kept; without a pivot all of them."""
        before, pivot, rest = pattern.partition("/./")
        wanted = clean(rest if pivot else pattern)
        for _, base in self._matches(before) if pivot else [("", self._root.top())]:
            if not base.is_dir:
                continue
            glob = Glob(wanted) if wanted else None
            found = self._included(base, glob)
            if len(found) > 1 or glob is None:
                self.picks.append(Pick("", found, parents=True))
            elif not has_wildcards(pattern):
                raise self._missing(pattern)
            else:
                self._note_none(pattern)

    def _matches(self, pattern: str) -> Iterator[tuple[str, Node]]:
        """What a pattern leads to, symbolic links followed, each with the name that it had."""
        path = clean(pattern)
        if not has_wildcards(path):
            node = follow(self._root, path)
            if node is None and "\\" in path:
                path = unescaped(path)
                node = follow(self._root, path)
            if node is None:
                raise self._missing(path)
            yield path.rpartition("/")[2], node
            return
        parts = path.split("/")
        first = next(place for place, part in enumerate(parts) if has_wildcards(part))
        base = follow(self._root, "/".join(parts[:first]))
        wanted = [matcher(part) for part in parts[first:]]
        found = False
        for node in self._globbed(base, wanted) if base is not None else ():
            followed = follow(self._root, node.path) if node.is_link else node
            if followed is None:
                raise NotFound(
                    f"'{node.path}' of {self._root.shown} cannot be copied",
                    why=f"it is a link to '{node.target}', which is not there",
                    hint="copy the directory that it is in, and it stays a link",
                )
            if not self._is_kind(followed):
                self._note_kind(followed)
                continue
            found = True
            yield node.name, followed
        if not found:
            self._note_none(pattern)

    def _globbed(self, base: Node, wanted: Sequence[re.Pattern[str]]) -> Iterator[Node]:
        level = [base]
        for pattern in wanted:
            level = [
                child
                for folder in level
                if folder.is_dir
                for child in self._root.children(folder)
                if pattern.match(child.name)
            ]
        yield from level

    def _walked(self, top: Node) -> Iterator[tuple[str, Node, bool]]:
        """All below ``top`` that is not excluded, with its path there, and whether it is only there for what it
        holds. Folders may be deeper than calls nest."""
        yield "", top, False
        skip = len(top.path) + 1 if top.path else 0
        pending = [iter(self._root.children(top))]
        while pending:
            node = next(pending[-1], None)
            if node is None:
                pending.pop()
                continue
            rel = node.path[skip:]
            out = bool(self._excluded) and self._excluded.matches(rel)
            if out and not (node.is_dir and self._excluded.may_hold(rel)):
                continue
            if not self._is_kind(node):
                self._note_kind(node)
                continue
            yield rel, node, out
            if node.is_dir:
                pending.append(iter(self._root.children(node)))

    def _included(self, base: Node, glob: Glob | None) -> tuple[tuple[str, Node], ...]:
        """What matches below ``base``, with all in it, and the directories on the way to it."""
        found: list[tuple[str, Node, bool]] = []
        inside = ""
        stack: list[Iterator[Node]] = [iter(self._root.children(base))]
        skip = len(base.path) + 1 if base.path else 0
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            rel = node.path[skip:]
            if inside and not rel.startswith(f"{inside}/"):
                inside = ""
            whole = bool(inside) or glob is None or glob.match(rel)
            if whole and not inside and node.is_dir:
                inside = rel
            hollow = not whole
            if hollow and not (node.is_dir and glob is not None and glob.may_match_below(rel)):
                continue
            if self._excluded and self._excluded.matches(rel):
                if not (node.is_dir and self._excluded.may_hold(rel)):
                    continue
                hollow = True
            if not self._is_kind(node):
                self._note_kind(node)
                continue
            found.append((rel, node, hollow or self._root.ignore.matches(node.path)))
            if node.is_dir:
                stack.append(iter(self._root.children(node)))
        return _without_hollow([("", base, False), *found], lambda rel, node: False)

    def _is_kind(self, node: Node) -> bool:
        """Whether it can be in a layer; a context's devices and pipes are nobody's to copy."""
        if node.is_dir or node.is_file or node.is_link:
            return True
        return self._root.keeps and not stat.S_ISSOCK(node.mode)

    def _check_kind(self, node: Node) -> None:
        if not self._is_kind(node):
            raise WherryError(
                f"'{node.path}' of {self._root.shown} cannot be copied",
                why=f"it is {_kind(node)}, which holds nothing that can be copied",
            )

    def _note_kind(self, node: Node) -> None:
        self.notes.append(f"'{node.path}' of {self._root.shown} is left out: it is {_kind(node)}")

    def _note_none(self, pattern: str) -> None:
        self.notes.append(f"'{pattern}' matches nothing in {self._root.shown}")

    def _missing(self, path: str) -> NotFound:
        from wherry.build.context.missing import missing

        return missing(self._root, path)


def _kind(node: Node) -> str:
    if stat.S_ISFIFO(node.mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(node.mode) else "a device"


def _without_hollow(
    found: Iterable[tuple[str, Node, bool]], is_hollow: Callable[[str, Node], bool]
) -> tuple[tuple[str, Node], ...]:
    """Without the directories that are only there for what they hold, and hold nothing."""
    kept: list[tuple[str, Node]] = []
    last = ""
    for rel, node, hollow in reversed(list(found)):
        if (
            node.is_dir
            and (hollow or is_hollow(rel, node))
            and not (last and last.startswith(f"{rel}/" if rel else ""))
        ):
            continue
        kept.append((rel, node))
        last = rel
    return tuple(reversed(kept))
