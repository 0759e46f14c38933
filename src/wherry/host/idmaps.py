"""Subordinate ids: what ``/etc/subuid`` and its like grant, whether ``newuidmap`` really maps a range, and what is done
with the rights over all of it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from wherry.base.errors import HostLacks
from wherry.base.outside import Outside
from wherry.host.facts import Ids
from wherry.host.kernel import NEW_USER, unshare
from wherry.host.programs import find_in_path
from wherry.host.switches import read_text

__all__ = ["Subordinate", "as_all_ids", "find_ids", "find_subordinate"]

_PATIENCE = 5.0

Range = tuple[int, int]


class Subordinate(msgspec.Struct, frozen=True):
    """The ids granted to a user beside the own: first id and count of each range, and the paths of the helpers."""

    uids: tuple[Range, ...]
    gids: tuple[Range, ...]
    newuidmap: str
    newgidmap: str


def find_subordinate(outside: Outside, user: str, uid: int) -> Subordinate:
    """The user's ranges; raises :class:`HostLacks` where none is granted, or the helpers are missing.

    Nothing is tried: that costs more than the start that wants to know.
    """
    outside.env("PATH")
    texts = [(outside.read(path) or b"").decode(errors="replace") for path in ("/etc/subuid", "/etc/subgid")]
    uids, gids = _ranges(texts[0], "u", user, uid), _ranges(texts[1], "g", user, uid)
    newuidmap, newgidmap = find_in_path("newuidmap"), find_in_path("newgidmap")
    if not (newuidmap and newgidmap):
        raise _no_range("newuidmap and newgidmap are not installed", "the package 'uidmap' (or shadow-utils)")
    if not (uids and gids):
        line = f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        raise _no_range(f"no subordinate ids are granted to '{user}'", line)
    return Subordinate(tuple(uids), tuple(gids), newuidmap, newgidmap)


def _no_range(why: str, ask: str) -> HostLacks:
    hint = f"ask for: {ask}; or --userns one, in which all ids are yours"
    return HostLacks("cannot map a range of ids (--userns range)", why=why, hint=hint)


def as_all_ids(act: Callable[[], None]) -> None:
    """Do ``act`` in a child that has all rights over files of this user and of the ids granted to him.

    Where other threads run, ``act`` may import nothing that is not there yet: an error then, and never a wait for a
    lock that one of them held. Raises :class:`HostLacks` where there are none, or with what went wrong in the child.
    """
    import pwd

    uid, gid = os.geteuid(), os.getegid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    found = find_subordinate(Outside(), user, uid)
    problem = _try((found.newuidmap, uid, found.uids), (found.newgidmap, gid, found.gids), act=act)
    if problem:
        raise HostLacks("cannot act for your subordinate ids", why=problem, hint="wherry doctor says more")


def find_ids(user: str, uid: int, gid: int, *, namespaces: bool) -> Ids:
    """Look up the user's ranges; where a namespace can be had, map one of each kind into a child's."""
    newuidmap, newgidmap = find_in_path("newuidmap"), find_in_path("newgidmap")
    uids = _ranges(read_text("/etc/subuid"), "u", user, uid)
    gids = _ranges(read_text("/etc/subgid"), "g", user, uid)
    found = Ids(sum(count for _, count in uids), sum(count for _, count in gids), newuidmap, newgidmap)
    if not (uids and gids and newuidmap and newgidmap and namespaces):
        return found
    problem = _try((newuidmap, uid, uids[:1]), (newgidmap, gid, gids[:1]))
    return Ids(found.uids, found.gids, newuidmap, newgidmap, not problem, problem)


def _ranges(text: str, kind: str, user: str, uid: int) -> list[Range]:
    """First id and count of each range; from the name service (sssd, LDAP) where the file has none."""
    ranges = _parse(text, user, uid)
    getsubids = "" if ranges else find_in_path("getsubids")
    if getsubids:
        ranges = _parse_listing(_output([getsubids, *(["-g"] if kind == "g" else []), user]))
    return ranges


def _parse(text: str, user: str, uid: int) -> list[tuple[int, int]]:
    ranges = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (user, str(uid)) and fields[1].isdigit() and fields[2].isdigit():
            ranges.append((int(fields[1]), int(fields[2])))
    return ranges


def _parse_listing(text: str) -> list[tuple[int, int]]:
    """``0: USER 100000 65536``, a line a range (getsubids(1))."""
    ranges = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2].isdigit() and fields[3].isdigit():
            ranges.append((int(fields[2]), int(fields[3])))
    return ranges


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _try(*maps: tuple[str, int, Sequence[Range]], act: Callable[[], None] | None = None) -> str:
    """Do ``act`` in a child whose namespace has ourselves and the ranges; what went wrong, or empty."""
    ready, done = os.pipe(), os.pipe()
    alone = threading.active_count() == 1
    child = os.fork()
    if child == 0:
        if not alone:
            _be_alone()
        _be_mapped(ready[1], done, act)
    os.close(ready[1])
    os.close(done[0])
    try:
        if os.read(ready[0], 1) != b"y":
            return "no namespace could be made"
        for program, own, ranges in maps:
            problem = _map([program, str(child), *_same(own, ranges)])
            if problem:
                return problem
        texts = (read_text(f"/proc/{child}/{kind}_map") for kind in ("uid", "gid"))
        if any(text.count("\n") != 1 + len(ranges) for text, (_, _, ranges) in zip(texts, maps, strict=True)):
            return "the range is missing in the map"
        os.write(done[1], b"y")
        return os.read(ready[0], 400).decode(errors="replace")
    finally:
        os.close(ready[0])
        os.close(done[1])
        os.waitpid(child, 0)


def _be_alone() -> None:
    """In a child whose parent has threads, which are not here: what they held is held for ever. The interpreter makes
    its own locks anew; those of modules that were being imported it does not, and objects of theirs must not end."""

    def refuse(name: str, *_: object) -> NoReturn:
        raise ImportError(f"'{name}' is not imported yet")

    gc.disable()
    sys.modules["_frozen_importlib"].__dict__.update(_find_and_load=refuse, _lock_unlock_module=refuse)


def _be_mapped(ready: int, done: tuple[int, int], act: Callable[[], None] | None) -> NoReturn:
    try:
        os.close(done[1])
        unshare(NEW_USER)
        os.write(ready, b"y")
        if os.read(done[0], 1) == b"y" and act is not None:
            act()
    except Exception as error:  # else it would be lost
        os.write(ready, str(error).encode(errors="replace")[:400])
    finally:
        os._exit(0)


def _same(own: int, ranges: Sequence[Range]) -> list[str]:
    """The words of a map in which all have the numbers that they have outside."""
    return [str(word) for first, count in ((own, 1), *ranges) for word in (first, first, count)]


def _map(command: list[str]) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else (said[-1] if said else f"{command[0]} failed")
