"""The time of the commit that is checked out, for builds that repeat. Mostly read without starting git."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator

__all__ = ["commit_places", "commit_time"]

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_COMMITTER = re.compile(rb"\ncommitter [^\n]* (\d{1,12}) [-+]\d{4}\n")
_MOST = 1 << 20
_PACKED = ("packed-refs", "refs/replace", "reftable", "config", "objects/pack", "objects/info/alternates")


def commit_time(path: str) -> int | None:
    """In seconds, of the repository that the directory or file ``path`` lies in; None where there is none."""
    here = _folder_of(path)
    git = next((place for place in _candidates(here) if os.path.lexists(place)), None)
    if git is None:
        return None
    found = _read(_head(git)[1])
    return found if found is not None else _asked(here)


def commit_places(path: str) -> tuple[tuple[str, ...], bool] | None:
    """The files, there or not, that :func:`commit_time` depends on, and whether git itself is asked, which depends on
    its configuration too; None for a repository of which that is not all."""
    places: list[str] = []
    for git in _candidates(_folder_of(path)):
        if not os.path.lexists(git):
            places.append(git)
            continue
        seen, commit = _head(git)
        if _read(commit) is not None:
            return (*places, *seen, commit), False
        return ((*places, *seen, *(f"{git}/{name}" for name in _PACKED)), True) if _is_plain(git) else None
    return tuple(places), False


def _is_plain(git: str) -> bool:
    """Whether it is a repository of one's own (git reads no other's unless it is told to) with one working tree, and no
    commit stands for another."""
    try:
        if os.stat(git).st_uid != os.geteuid() or os.path.exists(f"{git}/commondir"):
            return False
        with open(f"{git}/packed-refs", "rb") as file:
            return b" refs/replace/" not in file.read()
    except FileNotFoundError:
        return os.path.isdir(git)
    except OSError:
        return False


def _folder_of(path: str) -> str:
    here = os.path.realpath(path)
    return here if os.path.isdir(here) else os.path.dirname(here)


def _candidates(folder: str) -> Iterator[str]:
    """Where the repository may be that ``folder`` lies in, the nearest first."""
    last = ""
    while folder != last:
        yield f"{folder.rstrip('/')}/.git"
        folder, last = os.path.dirname(folder), folder


def _head(git: str) -> tuple[tuple[str, ...], str]:
    """The files that say which commit is checked out, and where that lies if it is no part of a pack yet; empty where
    anything is unusual."""
    places = [f"{git}/HEAD"]
    head = _text(places[0]).strip()
    if head.startswith("ref: refs/") and ".." not in head:
        places.append(f"{git}/{head[5:]}")
        head = _text(places[1]).strip()
    return tuple(places), f"{git}/objects/{head[:2]}/{head[2:]}" if _HASH.fullmatch(head) else ""


def _read(commit: str) -> int | None:
    """From a commit's file; None where there is none, or it is not what it should be."""
    try:
        with open(commit, "rb") as file:
            data = zlib.decompressobj().decompress(file.read(_MOST), _MOST)
    except (OSError, zlib.error):
        return None
    found = _COMMITTER.search(data.partition(b"\n\n")[0] + b"\n") if data.startswith(b"commit ") else None
    return int(found[1]) if found else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


def _asked(folder: str) -> int | None:
    import subprocess

    command = ["git", "-C", folder, "log", "-1", "--format=%ct", "--no-show-signature"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else None
