"""Subordinate ids: what ``/etc/subuid`` and its like grant, and whether ``newuidmap`` really maps a range."""

from __future__ import annotations

import os
import subprocess

from wherry.host.facts import Ids
from wherry.host.kernel import NEW_USER, Refused, unshare
from wherry.host.programs import find_in_path
from wherry.host.switches import read_text

__all__ = ["find_ids"]

_PATIENCE = 5.0


def find_ids(user: str, uid: int, gid: int, *, namespaces: bool) -> Ids:
    """Look up the user's ranges; where a namespace can be had, map one of each kind into a child's."""
    newuidmap, newgidmap = find_in_path("newuidmap"), find_in_path("newgidmap")
    uids, gids = _ranges("/etc/subuid", "u", user, uid), _ranges("/etc/subgid", "g", user, uid)
    found = Ids(sum(count for _, count in uids), sum(count for _, count in gids), newuidmap, newgidmap)
    if not (uids and gids and newuidmap and newgidmap and namespaces):
        return found
    problem = _try((newuidmap, uid, uids[0]), (newgidmap, gid, gids[0]))
    return Ids(found.uids, found.gids, newuidmap, newgidmap, not problem, problem)


def _ranges(path: str, kind: str, user: str, uid: int) -> list[tuple[int, int]]:
    """First id and count of each range; from the name service (sssd, LDAP) where the file has none."""
    ranges = _parse(read_text(path), user, uid)
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


def _try(*maps: tuple[str, int, tuple[int, int]]) -> str:
    """What went wrong when a child's namespace got ourselves as 0 and a range from 1 up; empty when nothing did."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(done[1])
            unshare(NEW_USER)
            os.write(ready[1], b"y")
            os.read(done[0], 1)
        except (Refused, OSError):
            pass
        finally:
            os._exit(0)
    os.close(ready[1])
    os.close(done[0])
    try:
        if os.read(ready[0], 1) != b"y":
            return "no namespace could be made"
        for program, own, (first, count) in maps:
            problem = _map([program, str(child), "0", str(own), "1", "1", str(first), str(count)])
            if problem:
                return problem
        mapped = (read_text(f"/proc/{child}/uid_map"), read_text(f"/proc/{child}/gid_map"))
        return "" if all(text.count("\n") == 2 for text in mapped) else "the range is missing in the map"
    finally:
        os.close(ready[0])
        os.close(done[1])
        os.waitpid(child, 0)


def _map(command: list[str]) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else (said[-1] if said else f"{command[0]} failed")
