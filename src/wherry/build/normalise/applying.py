"""Rules carried out over an upper directory before it becomes a layer: one walk; only what a rule names is touched.

Nothing runs in the container any more, so the files do not change meanwhile. Times and modes of what is touched are put
back, and files are written in place: links and attributes (``user.wherry.*``) stay. Nothing is followed out of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from wherry.base.errors import reason
from wherry.build.normalise.matching import Matcher
from wherry.build.normalise.rule import Change, Rule

if TYPE_CHECKING:
    from wherry.build.normalise.rewriting import Times

__all__ = ["normalise"]

_LARGEST = 64 << 20
"""Bytes: what is larger is no file that a rule is about."""


def normalise(upper: str, rules: Sequence[Rule], epoch: int, began: float) -> tuple[Change, ...]:
    """Take the noise that ``rules`` name out of ``upper``. ``began`` is when the step did (by the wall's clock): what
    came with a package or a download is older, and keeps its own times. Doing it twice changes nothing more.

    What this user may not change is left, and told; raises nothing of the kind that a hostile tree can bring about.
    """
    changes: list[Change] = []
    for directory, found in _found(upper, _matcher(tuple(rules))):
        place = f"{upper}/{directory}" if directory else upper
        before = os.lstat(place)
        for name, rule in found:
            path = f"{directory}/{name}" if directory else name
            try:
                change = _applied(upper, path, rule, _times(epoch, int(began)))
            except OSError as error:
                change = Change(path, rule.name, "left", reason(error))
            if change is not None:
                changes.append(change)
        if os.lstat(place).st_mtime_ns != before.st_mtime_ns:
            os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
    return tuple(sorted(changes, key=lambda change: change.path))


def _times(epoch: int, since: int) -> Times:
    from wherry.build.normalise.rewriting import Times  # most layers have nothing that is rewritten

    return Times(epoch=epoch, since=since)


@cache
def _matcher(rules: tuple[Rule, ...]) -> Matcher:
    """Made once for a build: its expressions take longer than the walk through a small layer."""
    return Matcher(rules)


def _found(upper: str, matcher: Matcher) -> Iterator[tuple[str, list[tuple[str, Rule]]]]:
    """Directories with regular files in them that a rule names. One that cannot be read is passed over."""
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        match = matcher.of(directory)
        named: list[tuple[str, Rule]] = []
        try:
            with os.scandir(f"{upper}/{directory}" if directory else upper) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{directory}/{entry.name}" if directory else entry.name)
                    elif (rule := match(entry.name)) is not None and entry.is_file(follow_symlinks=False):
                        named.append((entry.name, rule))
        except OSError:  # closed to its owner, or a path longer than the kernel takes: no rule is about these
            continue
        if named:
            yield directory, named


def _applied(upper: str, path: str, rule: Rule, times: Times) -> Change | None:
    """Also where not even the owner may read, as of Fedora's /etc/shadow."""
    try:
        return _apply(upper, path, rule, times)
    except PermissionError:
        place = f"{upper}/{path}"
        mode = stat.S_IMODE(os.lstat(place).st_mode)
        if mode & stat.S_IRUSR or rule.action == "drop":
            raise
        os.chmod(place, mode | stat.S_IRUSR)
        try:
            return _apply(upper, path, rule, times)
        finally:
            os.chmod(place, mode)


def _apply(upper: str, path: str, rule: Rule, times: Times) -> Change | None:
    place = f"{upper}/{path}"
    if rule.action == "drop":
        os.unlink(place)
        return Change(path, rule.name, "dropped")
    if rule.action == "warn":
        return Change(path, rule.name, "warned", rule.why)
    if rule.action == "empty":
        return _written(place, b"", Change(path, rule.name, "emptied")) if os.path.getsize(place) else None
    from wherry.build.normalise.rewriting import ATTRIBUTES, HEADS, REWRITERS

    if rule.rewriter in ATTRIBUTES:
        return _bare(place, ATTRIBUTES[rule.rewriter], Change(path, rule.name, "rewritten"))
    if rule.rewriter == "compiled" or rule.rewriter in HEADS:
        from wherry.build.normalise.compiled import HEAD, clamped_head, source_of

        with open(place, "rb", buffering=0) as file:
            head = file.read(HEAD)
        if rule.rewriter in HEADS:
            after = HEADS[rule.rewriter](head, times)
        else:
            after = clamped_head(head, _stat(f"{upper}/{source_of(path)}"), times.epoch)
        return None if after is None else _written(place, after, Change(path, rule.name, "rewritten"), part=True)
    if rule.rewriter == "archive-times":
        return _dated(place, Change(path, rule.name, "rewritten"), times)
    if os.path.getsize(place) > _LARGEST:
        return None
    with open(place, "rb") as file:
        content = REWRITERS[rule.rewriter](file.read(), times)
    return None if content is None else _written(place, content, Change(path, rule.name, "rewritten"))


def _bare(place: str, beginning: str, change: Change) -> Change | None:
    """The file without the attributes whose names begin so."""
    found = [name for name in os.listxattr(place, follow_symlinks=False) if name.startswith(beginning)]
    if not found:
        return None
    with _writable(place) as file:
        for name in found:
            os.removexattr(file.fileno(), name)
    return change


def _dated(place: str, change: Change, times: Times) -> Change | None:
    """A static library with the epoch for the times of its members."""
    from wherry.build.normalise.libraries import late_members

    with open(place, "rb") as file:
        found = late_members(file, times)
    if not found:
        return None
    with _writable(place) as library:
        for at in found:
            library.seek(at)
            library.write(b"%-12d" % times.epoch)
    return change


def _stat(place: str) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except OSError:
        return None


def _written(place: str, content: bytes, change: Change, *, part: bool = False) -> Change:
    """``content`` in place of the file's own (``part``: of its beginning); all else about the file stays."""
    with _writable(place) as file:
        file.write(content)
        if not part:
            file.truncate(len(content))
    return change


@contextmanager
def _writable(place: str) -> Iterator[BinaryIO]:
    """The file, to be written in place; its mode and times are put back."""
    before = os.lstat(place)
    mode = stat.S_IMODE(before.st_mode)
    if not mode & stat.S_IWUSR:
        os.chmod(place, mode | stat.S_IWUSR)
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "wb") as file:
            yield file
    finally:
        if stat.S_IMODE(os.lstat(place).st_mode) != mode:  # writing takes set-id bits away
            os.chmod(place, mode)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
