"""What differs between two builds of one recipe, down to the byte, and the likeliest cause (``wherry build --check``).

Two builds made again without a cache lie in the store beside each other. Layers of the same name are the same and are
not looked into; of others the tables say what each archive holds, and the trees the contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.build.causes import Cause, cause_of, first_difference

if TYPE_CHECKING:
    from wherry.image import TableEntry
    from wherry.store import Layer

__all__ = ["Difference", "differences", "document_differences"]

_CHUNK = 1 << 20
_LOOKED_AT = 8 << 20
"""Bytes of each content that are looked at for a cause."""


class Difference(msgspec.Struct, frozen=True):
    """``layer`` counts from 0 at the bottom (-1: the configuration). ``what`` is content, kind, mode, owner, time,
    target, device, ``xattr NAME``, or ``only in one`` (``one`` or ``two`` says which). ``offset`` is the first
    byte that differs, of contents; ``one`` and ``two`` show what is there."""

    layer: int
    path: str
    what: str
    one: str
    two: str
    offset: int = -1
    cause: Cause = Cause("")


def differences(one: Sequence[Layer], two: Sequence[Layer]) -> Iterator[Difference]:
    """All that differs, the lowest layer first, in each by path. Raises :class:`BrokenArchive` for a damaged table."""
    for number, (left, right) in enumerate(zip_longest(one, two)):
        if left is None or right is None:
            yield Difference(number, "", "only in one", *_which(left is not None), cause=_STEP)
        elif left.meta.diff_id != right.meta.diff_id:
            yield from _in_layers(number, left, right)


def document_differences(one: Any, two: Any, path: str = "") -> Iterator[Difference]:
    """The same of two configurations as documents; ``path`` is as ``config.Env.0``."""
    if isinstance(one, dict) and isinstance(two, dict):
        for name in sorted({*one, *two}):
            yield from document_differences(one.get(name), two.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(one, list) and isinstance(two, list):
        for number, (left, right) in enumerate(zip_longest(one, two)):
            yield from document_differences(left, right, f"{path}.{number}")
    elif one != two:
        left, right = msgspec.json.encode(one), msgspec.json.encode(two)
        yield Difference(-1, path, "content", _shown(left), _shown(right), cause=cause_of("", left, right))


_STEP = Cause("a step changed files in one build only", "its command does something else the second time")


def _which(first: bool) -> tuple[str, str]:
    return ("there", "") if first else ("", "there")


def _in_layers(number: int, left: Layer, right: Layer) -> Iterator[Difference]:
    ours, theirs = _entries(left), _entries(right)
    found = False
    for path in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(path), theirs.get(path)
        if one is None or two is None:
            found = True
            entry = one or two
            cause = _alone(path, entry.kind if entry else "")
            yield Difference(number, path, "only in one", *_which(one is not None), cause=cause)
            continue
        for difference in _of_entries(number, one, two):
            found = True
            yield difference
        if one.kind == two.kind == "file":
            difference_or_none = _of_contents(number, path, left.tree, right.tree)
            if difference_or_none is not None:
                found = True
                yield difference_or_none
    if not found:
        cause = Cause(
            "the same entries in another order or form in the archive", "report this: it is an error of Wherry"
        )
        yield Difference(number, "", "order", "", "", cause=cause)


def _entries(layer: Layer) -> dict[str, TableEntry]:
    from wherry.image import read_entries

    return {entry.path: entry for entry in read_entries(layer.table)}


def _alone(path: str, kind: str) -> Cause:
    name = path.rpartition("/")[2]
    if kind != "dir" and any(letter.isdigit() for letter in name):
        return Cause("a name that holds a time, a process's number or something random")
    return Cause("made in one build only")


def _of_entries(number: int, one: TableEntry, two: TableEntry) -> Iterator[Difference]:
    pairs = (
        ("kind", one.kind, two.kind),
        ("mode", f"{one.mode:04o}", f"{two.mode:04o}"),
        ("owner", f"{one.uid}:{one.gid}", f"{two.uid}:{two.gid}"),
        ("target", one.target, two.target),
        ("device", f"{one.device[0]}:{one.device[1]}", f"{two.device[0]}:{two.device[1]}"),
        ("time", _seconds(one.mtime_ns), _seconds(two.mtime_ns)),
    )
    for what, left, right in pairs:
        if left != right:
            cause = _METADATA.get(what, Cause(""))
            yield Difference(number, one.path, what, left, right, cause=cause)
    for name in sorted({*one.xattrs, *two.xattrs}):
        values = [entry.xattrs.get(name, b"") for entry in (one, two)]
        if values[0] != values[1]:
            yield Difference(number, one.path, f"xattr {name}", _shown(values[0]), _shown(values[1]))


_METADATA = {
    "time": Cause("a time before the build's own, which is kept, and not the same", "touch -d @$SOURCE_DATE_EPOCH"),
    "owner": Cause("an id that was drawn, not given", "give users and groups their numbers: useradd -u, groupadd -g"),
    "mode": Cause("permissions that depend on the umask or on who builds", "chmod, or install -m"),
    "target": Cause("a link that names something random"),
}


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{whole}.{rest:09d}" if rest else f"{whole}"


def _of_contents(number: int, path: str, left: str, right: str) -> Difference | None:
    try:
        with open(f"{left}/{path}", "rb") as one, open(f"{right}/{path}", "rb") as two:
            at = 0
            while True:
                ours, theirs = one.read(_CHUNK), two.read(_CHUNK)
                if ours != theirs:
                    break
                if not ours:
                    return None
                at += len(ours)
            at += first_difference(ours, theirs)
            one.seek(0)
            two.seek(0)
            begin = 0 if at < _LOOKED_AT else at - _CHUNK
            one.seek(begin)
            two.seek(begin)
            contents = one.read(_LOOKED_AT), two.read(_LOOKED_AT)
    except PermissionError:  # a file that its owner may not read: sizes and times are all that can be told
        return None
    cause = cause_of(path, *contents)
    shown = ["***" if cause.secret else _shown(content[max(0, at - begin - 12) :][:48]) for content in contents]
    return Difference(number, path, "content", shown[0], shown[1], at, cause)


def _shown(content: bytes) -> str:
    """Bytes for people: text as it is, the rest as ``\\x``."""
    text = content[:160].decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
