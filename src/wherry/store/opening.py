"""Where the store is, and making a new one.

A folder is a store when it holds the file ``format``. Only an empty or missing folder becomes one, so that nothing of
the user's is ever taken for the store's (``WHERRY_STORE=$HOME`` must not end in a sweep of ``~/tmp``).
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from wherry.base.errors import SettingsError, StoreError, StoreVersion
from wherry.store.durable import read_small

if TYPE_CHECKING:
    from wherry.base.outside import Outside
    from wherry.base.settings import Settings

__all__ = ["FORMAT", "check_format", "create", "locate", "locate_sites"]

FORMAT = 1
"""The newest format of the store that this Wherry reads, and the one that it writes."""


def locate(settings: Settings, outside: Outside) -> str:
    """The absolute path of the user's store. Raises :class:`SettingsError` when it cannot be told."""
    configured = settings.text("store.path")
    if configured:
        return _absolute(configured, settings.source("store.path"), outside)
    data = outside.env("XDG_DATA_HOME")
    if data and data.startswith("/"):  # the specification: relative ones are to be ignored
        return f"{data.rstrip('/')}/wherry"
    home = outside.home()
    if not home:
        raise SettingsError(
            "cannot tell where the store is",
            why="neither WHERRY_STORE nor HOME is set, and this account has no home directory",
            hint="export WHERRY_STORE=/a/folder/of/yours",
        )
    return f"{home.rstrip('/')}/.local/share/wherry"


def locate_sites(settings: Settings, outside: Outside) -> tuple[str, ...]:
    """The site's stores that exist here, in order of look-up; a missing one (not mounted) is passed over."""
    source = settings.source("store.site")
    paths = (_absolute(item, source, outside) for item in settings.items("store.site") if item)
    return tuple(path for path in paths if outside.stat(f"{path}/format").exists)


def check_format(path: str) -> bool:
    """True when ``path`` is a store that this Wherry can read, False when there is none.

    Raises :class:`StoreVersion` when a newer Wherry wrote it, :class:`StoreError` when it cannot be read.
    """
    try:
        content = read_small(f"{path}/format")
    except OSError as error:
        from wherry.store.faults import translated

        raise translated(error, "open the store", path) from error
    if content is None:
        return False
    text = content.decode(errors="replace").strip()
    if not text.isdecimal() or int(text) < 1:
        from wherry.store.faults import ANOTHER_PLACE

        why = f"its file 'format' says '{text[:20]}', not a number"
        raise StoreError(f"cannot open the store '{path}'", why=why, hint=ANOTHER_PLACE)
    if int(text) > FORMAT:
        raise StoreVersion(
            f"cannot open the store '{path}'",
            why=f"a newer Wherry wrote it (format {int(text)}, this one knows up to {FORMAT})",
            hint="use that Wherry, or another store: export WHERRY_STORE=/another/folder",
        )
    return True


def create(path: str) -> None:
    """Make a store at ``path``, folders 0700. Any number of processes may do so at once."""
    from wherry.store.durable import make_folder, sync_folder
    from wherry.store.faults import ANOTHER_PLACE, reported
    from wherry.store.processes import tmp_name

    with reported("make a store", path):
        if os.path.lexists(path) and not os.path.isdir(path):
            why = "it is not a folder" + _dangling(path)
            raise StoreError(f"cannot make a store at '{path}'", why=why, hint=ANOTHER_PLACE)
        make_folder(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # whatever the umask
        except FileExistsError:
            found = os.listdir(path)
            foreign = sorted(name for name in found if not (name.startswith(".format.") or _is_tried(path, name)))
            if foreign and "format" not in found and not check_format(path):
                raise StoreError(
                    f"'{path}' is not a store, and not empty",
                    why=f"it holds '{foreign[0]}'" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""),
                    hint=_instead(path, foreign),
                ) from None
        temporary = f"{path}/.format.{tmp_name()}"
        with open(temporary, "xb", buffering=0) as file:
            try:
                file.write(f"{FORMAT}\n".encode())
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
                os.rename(temporary, f"{path}/format")
            except OSError:
                os.unlink(temporary)
                raise
        sync_folder(path)


def _is_tried(path: str, name: str) -> bool:
    """Whether it is the empty folder of one who only looked (``--dry-run``) whether writable layers could lie here."""
    return name == "scratch" and os.path.isdir(f"{path}/scratch") and not os.listdir(f"{path}/scratch")


def _instead(path: str, found: list[str]) -> str:
    folder = shlex.quote(path.rstrip("/"))
    if _REMAINS.issuperset(found) and not ("scratch" in found and _others_scratch(f"{path}/scratch")):
        return f"if it is what 'rm -rf' left of a store: chmod -R u+rwX {folder}, then rm -rf {folder}"
    return f"use a folder of its own: export WHERRY_STORE={folder}/wherry"


_REMAINS = {"building", "containers", "flat", "layers", "scratch"}
"""Folders of a store that hold some which their own owner may not enter or empty: ``rm -rf`` stops there."""


def _others_scratch(path: str) -> bool:
    return not os.path.isdir(path) or not all(name.startswith("spare.") for name in os.listdir(path))


def _dangling(path: str) -> str:
    return ", but a symbolic link that leads nowhere" if os.path.islink(path) and not os.path.exists(path) else ""


def _absolute(text: str, source: str, outside: Outside) -> str:
    path = _expanded(text, source, outside)
    if not path.startswith("/"):
        path = f"{outside.cwd()}/{path}"
    return os.path.normpath(path)


def _expanded(text: str, source: str, outside: Outside) -> str:
    """``~/`` and ``$NAME`` or ``${NAME}``, so that a site can write ``/scratch/$USER/wherry`` for everybody."""
    if text == "~" or text.startswith("~/"):
        text = "$HOME" + text[1:]
    if "$" not in text:
        return text
    import re

    def value(match: re.Match[str]) -> str:
        found = outside.env(match[1] or match[2])
        if found is None:
            hint = f"export {match[1] or match[2]}=..., or WHERRY_STORE=/your/folder"
            raise SettingsError(f"{source} gives the store as '{text}'", why=f"'{match[0]}' is not set", hint=hint)
        return found

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)
