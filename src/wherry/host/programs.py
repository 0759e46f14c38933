"""Programs of the host by which a container can be entered: where they are, not whether they work."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from wherry.base.errors import SettingsError
from wherry.host.facts import Program

__all__ = ["find_in_path", "find_interpose", "find_program", "find_runtimes", "find_sites", "native_folder"]

_SITE_TOOLS = "/etc/wherry/tools"
_RUNTIMES = ("crun", "youki", "runc")
_SITES = ("apptainer", "singularity", "ch-run", "podman")


def find_in_path(*names: str, folders: Sequence[str] | None = None) -> str:
    """The path of the first of these programs that the search path (or ``folders``) leads to; ``""``: there is none."""
    folders = os.environ.get("PATH", "/usr/bin:/bin").split(":") if folders is None else folders
    paths = (f"{folder}/{name}" for name in names for folder in folders if folder.startswith("/"))
    return next(
        (path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK) and not _is_ours(path)), ""
    )


def _is_ours(path: str) -> bool:
    """Whether it is Wherry itself under another's name (``wherry shim``), which would start itself without end."""
    return os.path.islink(path) and os.path.basename(os.path.realpath(path)) == "wherry"


def find_program(name: str, *, setting: str = "", data_home: str = "") -> str:
    """The path of a program: as set, in PATH, in the site's tools folder, in the user's; ``""`` where there is none.

    Raises :class:`SettingsError` when what is set cannot be executed.
    """
    if setting:
        if setting.startswith("/") and os.path.isfile(setting) and os.access(setting, os.X_OK):
            return setting
        raise SettingsError(
            f"setting 'engine.{name}' is '{setting}'",
            why="it must be the absolute path of a program" if setting[0] != "/" else "it cannot be executed",
        )
    folders = (_SITE_TOOLS, f"{data_home}/wherry/tools" if data_home else "")
    return find_in_path(name) or next(
        (f"{folder}/{name}" for folder in folders if folder and os.access(f"{folder}/{name}", os.X_OK)), ""
    )


def find_runtimes() -> tuple[Program, ...]:
    """Those of the OCI runtime specification."""
    return _find(_RUNTIMES)


def find_sites(setting: str = "") -> tuple[Program, ...]:
    """Other container programs, which a site may have allowed; that of the setting ``engine.site`` comes first.

    Raises :class:`SettingsError` when that is none of them.
    """
    found = tuple(_with_setuid(program) for program in _find(_SITES))
    if not setting:
        return found
    name = os.path.basename(setting)
    path = setting if "/" in setting else find_in_path(name)
    if name not in _SITES or not path.startswith("/") or not os.access(path, os.X_OK):
        raise SettingsError(
            f"setting 'engine.site' is '{setting}'",
            why=f"it must be {', '.join(_SITES[:-1])} or {_SITES[-1]}, or the absolute path of one",
            hint="wherry doctor shows which of them are here",
        )
    return (_with_setuid(Program(name, path)), *(program for program in found if program.name != name))


def _with_setuid(program: Program) -> Program:
    """apptainer and singularity come with a helper that is set-uid root where the site wanted that."""
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(program.path)))
    for folder in ("libexec", "lib"):
        try:
            mode = os.stat(f"{prefix}/{folder}/{program.name}/bin/starter-suid").st_mode
        except OSError:
            continue
        return Program(program.name, program.path, bool(mode & stat.S_ISUID))
    return program


def _find(names: tuple[str, ...]) -> tuple[Program, ...]:
    return tuple(Program(name, path) for name in names if (path := find_in_path(name)))


def find_interpose() -> str:
    """The program of the engine ``fakechroot``, which lies with its library beside the launcher where it was built."""
    program = f"{native_folder()}/wherry-interpose"
    return program if os.access(program, os.X_OK) and os.access(f"{program}.so", os.R_OK) else ""


def native_folder() -> str:
    """Where what was compiled for this installation lies."""
    return f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/_native"
