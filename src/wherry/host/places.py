"""The folders of a user on this node: runtime (node-local, gone after the session) and state (records)."""

from __future__ import annotations

import os
import posixpath
import stat

from wherry.base.errors import HostLacks, reason
from wherry.base.outside import Outside, account_home

__all__ = ["home_dir", "own_folder", "remember", "runtime_dir", "state_dir"]


def runtime_dir(outside: Outside) -> str:
    """``$XDG_RUNTIME_DIR/wherry``, else ``${TMPDIR:-/tmp}/wherry-UID``; made when missing.

    The folder must be the user's own, 0700 and no symbolic link: plans in it are executed. Raises :class:`HostLacks`
    when no such folder can be had. The launcher's front looks at the same places (``native/launcher/front.c``).
    """
    uid = outside.identity().uid
    session = outside.env("XDG_RUNTIME_DIR")
    if session and session.startswith("/"):
        folder = f"{session}/wherry"
        if not own_folder(folder, uid):
            return folder
    temporary = outside.env("TMPDIR") or "/tmp"
    folder = f"{temporary.rstrip('/') or '/tmp'}/wherry-{uid}"
    problem = own_folder(folder, uid)
    if problem:
        raise HostLacks(
            f"cannot use '{folder}' for running containers",
            why=problem,
            hint="set XDG_RUNTIME_DIR or TMPDIR to a folder of your own on a local disk",
        )
    return folder


def state_dir(outside: Outside) -> str:
    """``$XDG_STATE_HOME/wherry``, by default ``~/.local/state/wherry``: where records lie. Not made here.

    Who has no home directory has records in :func:`runtime_dir`, for as long as that lasts.
    """
    base = outside.env("XDG_STATE_HOME")
    if base and base.startswith("/"):
        return f"{base}/wherry"
    home = home_dir(outside)
    return f"{home}/.local/state/wherry" if home else f"{runtime_dir(outside)}/state"


def home_dir(outside: Outside) -> str:
    """``$HOME`` if it is a directory, else what the account says (they differ on many clusters); empty for neither."""
    home = outside.env("HOME") or ""
    if home.startswith("/") and os.path.isdir(home):
        return posixpath.normpath(f"/{home.lstrip('/')}")
    home = account_home()
    return home if os.path.isdir(home) else ""


def own_folder(path: str, uid: int) -> str:
    """Make ``path`` (0700, its parent must exist) or check it; the reason why it cannot be used, or ``""``."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)
            found = os.lstat(path)
        except FileExistsError:
            return own_folder(path, uid)
        except OSError as error:
            return reason(error)
    except OSError as error:
        return reason(error)
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a directory"
    if found.st_uid != uid:
        return f"it belongs to uid {found.st_uid}"
    if found.st_mode & 0o077:
        return f"others may enter it (mode {found.st_mode & 0o777:o})"
    return ""


def remember(file: str, content: bytes) -> None:
    """Write what was found, whole or not at all; with a full or read-only disk the next one finds it again."""
    temporary = f"{file}.{os.getpid()}"
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
        os.replace(temporary, file)
    except OSError:
        return
