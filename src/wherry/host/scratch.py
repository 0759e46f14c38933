"""Where writable layers may lie: node-local folders in which an overlay's upper directory works."""

from __future__ import annotations

import os

import msgspec

from wherry.base.errors import HostLacks
from wherry.base.outside import Outside
from wherry.host.filesystems import filesystem_type, is_remote
from wherry.host.machine import Host
from wherry.host.places import own_folder, remember

__all__ = ["scratch_parents"]


def scratch_parents(outside: Outside, host: Host, *, setting: str, store: str, runtime: str) -> tuple[str, ...]:
    """Folders for containers' scratch folders, the preferred first; each is the user's own and exists.

    ``setting`` (``run.scratch``) alone when it is set; else ``STORE/scratch`` when the store is on a local file system,
    else a folder in ``TMPDIR`` or ``/tmp``, else in ``/var/tmp``, and as the last resort in memory (``/dev/shm``).
    Raises :class:`HostLacks` when none will do.
    """
    known = _read(f"{runtime}/scratch.json")
    if known.boot_id != host.boot_id or not host.boot_id:
        known = _Known(host.boot_id, {})
    before = dict(known.folders)
    found = _first(outside, host, setting, store, known)
    if known.folders != before:
        remember(f"{runtime}/scratch.json", msgspec.json.encode(known))
    if not found:
        raise HostLacks(
            "there is no place for a container's writable layer",
            why=f"'{setting}' cannot be used: {_problem(setting, host)}"
            if setting
            else "the store, TMPDIR, /tmp and /var/tmp are on network file systems, or not writable",
            hint="set WHERRY_SCRATCH to a folder of yours on a disk of this node",
        )
    return (found,)


class _Known(msgspec.Struct, frozen=True):
    boot_id: str
    folders: dict[str, bool]


def _first(outside: Outside, host: Host, setting: str, store: str, known: _Known) -> str:
    if setting:
        return setting if _is_usable(setting, host, known) else ""
    candidates = [f"{store}/scratch"]
    if _is_usable(candidates[0], host, known):
        return candidates[0]
    for base in (outside.env("TMPDIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm"):
        own = f"{base.rstrip('/')}/wherry-{host.uid}"
        if own_folder(own, host.uid) == "" and _is_usable(f"{own}/scratch", host, known):
            return f"{own}/scratch"
    return ""


def _is_usable(folder: str, host: Host, known: _Known) -> bool:
    if known.folders.get(folder) and os.access(folder, os.W_OK | os.X_OK):
        return True
    if _problem(folder, host):
        return False
    if host.overlay:
        from wherry.host.trial import try_overlay

        if not try_overlay(folder, volatile=host.volatile):
            return False
    known.folders[folder] = True
    return True


def _problem(folder: str, host: Host) -> str:
    if not folder.startswith("/"):
        return "it is not an absolute path"
    kind = filesystem_type(folder)
    if is_remote(kind):
        return f"it is on a network file system ({kind})"
    problem = own_folder(folder, host.uid)
    if problem.startswith("others may enter"):
        return ""  # the user's own choice; each container's folder in it is 0700
    return problem


def _read(file: str) -> _Known:
    try:
        with open(file, "rb", buffering=0) as stream:
            return msgspec.json.decode(stream.read(), type=_Known)
    except (OSError, msgspec.MsgspecError):
        return _Known("", {})
