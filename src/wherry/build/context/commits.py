"""The time of the commit that is checked out, for builds that repeat. Mostly read without starting git."""

from __future__ import annotations

import os
import re
import zlib

__all__ = ["commit_time"]

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_COMMITTER = re.compile(rb"\ncommitter [^\n]* (\d{1,12}) [-+]\d{4}\n")
_MOST = 1 << 20


def commit_time(path: str) -> int | None:
    """In seconds, of the repository that the directory or file ``path`` lies in; None where there is none."""
    here = os.path.realpath(path)
    if not os.path.isdir(here):
        here = os.path.dirname(here)
    folder = here
    while not os.path.lexists(f"{folder}/.git"):
        folder, last = os.path.dirname(folder), folder
        if folder == last:
            return None
    found = _read(f"{folder}/.git")
    return found if found is not None else _asked(here)


def _read(git: str) -> int | None:
    """From a commit that is no part of a pack yet; None when it is, or anything is unusual."""
    if not os.path.isdir(git):
        return None
    head = _text(f"{git}/HEAD").strip()
    if head.startswith("ref: refs/") and ".." not in head:
        head = _text(f"{git}/{head[5:]}").strip()
    if not _HASH.fullmatch(head):
        return None
    try:
        with open(f"{git}/objects/{head[:2]}/{head[2:]}", "rb") as file:
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
