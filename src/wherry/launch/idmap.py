"""Ids beside the caller's own: the maps of a namespace with a subordinate range (subuid(5)), and what the command is.

Pure. The caller keeps the own number inside, or is 0 where the command is root, and in builds; all other ids below
65536 come from the range, in order, as far as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from wherry.base.errors import HostLacks
from wherry.launch.plan import Operation

if TYPE_CHECKING:
    from wherry.host import Host, Subordinate
    from wherry.launch.identity import Person
    from wherry.launch.plan import LaunchPlan

__all__ = [
    "become",
    "id_map",
    "id_operations",
    "inside_ids",
    "outside_ids",
    "own_ids",
    "require_overlay",
    "require_range",
]

_WHOLE = 65536
"""Ids that every distribution counts on."""

Range = tuple[int, int]
Line = tuple[int, int, int]


def own_ids(person: Person, host: Host, *, as_built: bool = False) -> tuple[int, int]:
    """The numbers that the caller's own user and group have inside. In a build's step the image's files are root's,
    whoever the command is."""
    return (0, 0) if person.uid == 0 or as_built else (host.uid, host.gid)


def id_map(outside: int, inside: int, ranges: Iterable[Range]) -> tuple[Line, ...]:
    """Lines of a map, as (inside, outside, count): ``outside`` is shown as ``inside``, the ranges as all the others."""
    lines = [(inside, outside, 1)]
    at = 0
    for first, count in _apart(ranges, outside):
        while count > 0 and at < _WHOLE:
            if at == inside:
                at += 1
                continue
            part = min(count, (inside if at < inside < _WHOLE else _WHOLE) - at)
            lines.append((at, first, part))
            at, first, count = at + part, first + part, count - part
    return tuple(sorted(lines))


def id_operations(
    person: Person, host: Host, range_: Subordinate, *, as_built: bool = False
) -> tuple[Operation, Operation]:
    """IDMAP and IDS; raises :class:`HostLacks` for ids that the range is too short for."""
    own_uid, own_gid = own_ids(person, host, as_built=as_built)
    uids, gids = id_map(host.uid, own_uid, range_.uids), id_map(host.gid, own_gid, range_.gids)
    _require("user", (person.uid,), uids)
    _require("group", (person.gid, *person.groups), gids)
    mapped = Operation("IDMAP", (range_.newuidmap, range_.newgidmap, _words(uids), _words(gids)))
    return mapped, become(person.uid, person.gid, person.groups)


def become(uid: int, gid: int, groups: Sequence[int]) -> Operation:
    """IDS; without ``groups`` those of the caller stay."""
    return Operation("IDS", (uid, gid, tuple(str(number) for number in groups)))


Ids = Callable[[int, int], tuple[int, int]]


def inside_ids(plan: LaunchPlan) -> Ids | None:
    """From owners on disk to owners in the container that the plan starts (what it has no number for belongs to root);
    None when it has no range of ids."""
    for operation in plan.find("IDMAP"):
        uids, gids = _lines(operation.fields[2]), _lines(operation.fields[3])
        return lambda uid, gid: (_inside(uids, uid), _inside(gids, gid))
    return None


def outside_ids(plan: LaunchPlan) -> Ids | None:
    """The other way: owners on disk, -1 for those that the container has no number for."""
    for operation in plan.find("IDMAP"):
        uids, gids = _lines(operation.fields[2]), _lines(operation.fields[3])
        return lambda uid, gid: (_outside(uids, uid), _outside(gids, gid))
    return None


def require_range(engine: str) -> None:
    """Raise :class:`HostLacks` unless the engine can have real other ids."""
    if engine != "namespace":
        raise HostLacks(
            f"--userns range is not possible with the engine '{engine}'",
            why="only a user namespace can have other ids than yours",
            hint="--engine namespace can, where the machine allows it; or --userns one, in which all ids are yours",
        )


def require_overlay(*, fuse: bool) -> None:
    """Raise :class:`HostLacks` where the root is made by fuse-overlayfs, which only serves who mounted it."""
    if fuse:
        raise HostLacks(
            "--userns range is not possible with fuse-overlayfs",
            why="what it mounts can be used by one user alone",
            hint="a kernel from 5.11 on has overlayfs for users; or --userns one, in which all ids are yours",
        )


def _apart(ranges: Iterable[Range], outside: int) -> list[Range]:
    """The same ids without any twice and without the caller's own: the kernel refuses a map that has such."""
    found: list[Range] = []
    end = 0
    for first, count in sorted(ranges):
        stop, begin = first + count, max(first, end)
        for start, until in ((begin, min(stop, outside)), (max(begin, outside + 1), stop)):
            if start < until:
                found.append((start, until - start))
        end = max(end, stop)
    return found


def _require(kind: str, numbers: Iterable[int], lines: tuple[Line, ...]) -> None:
    for number in numbers:
        if not any(inside <= number < inside + count for inside, _, count in lines):
            raise HostLacks(
                f"the container cannot have the {kind} {number}",
                why=f"{sum(count for _, _, count in lines)} ids are mapped, your own and 0 to 65535 as far as your "
                "subordinate range goes",
                hint=f"choose another {kind}, or ask for a longer range (subuid(5)); --userns one shows you as any",
            )


def _words(lines: tuple[Line, ...]) -> tuple[str, ...]:
    return tuple(str(number) for line in lines for number in line)


def _lines(words: object) -> list[Line]:
    numbers = [int(word) for word in words] if isinstance(words, tuple) else []
    return [(numbers[at], numbers[at + 1], numbers[at + 2]) for at in range(0, len(numbers), 3)]


def _inside(lines: list[Line], outside: int) -> int:
    return next((inside + outside - first for inside, first, count in lines if first <= outside < first + count), 0)


def _outside(lines: list[Line], inside: int) -> int:
    return next((first + inside - start for start, first, count in lines if start <= inside < start + count), -1)
