"""Modulefiles for exposed commands, as Lmod (Lua) and Environment Modules (Tcl) read them.

Both are written: where both could be read, Lmod takes the Lua form, and Environment Modules passes over a file that
does not begin with its magic words.
"""

from __future__ import annotations

import contextlib
import os

import msgspec

from wherry.base.errors import Conflict, WherryError, reason, remedy

__all__ = ["HIDDEN", "Module", "module_files", "remove_module", "write_module"]

HIDDEN = ".commands"
"""The folder of commands beside modulefiles, where no other is named; neither program looks into hidden ones."""

_TCL, _LUA = "#%Module1.0\n## made by 'wherry expose'\n", "-- made by 'wherry expose'\n"


class Module(msgspec.Struct, frozen=True):
    """``path`` is the Tcl form's (the other has ``.lua`` at its end), ``folder`` what it puts into PATH."""

    path: str
    folder: str
    description: str


def module_files(module: Module) -> tuple[str, str]:
    """Both files; raises :class:`Conflict` where another file is."""
    files = (module.path, f"{module.path}.lua")
    for path in files:
        if os.path.lexists(path) and not _is_ours(path):
            raise Conflict(f"'{path}' was not made by 'wherry expose'", hint="--module-name NAME/VERSION")
    return files


def write_module(module: Module) -> None:
    """Write or replace both files."""
    tcl, lua = module_files(module)
    try:
        os.makedirs(os.path.dirname(tcl), exist_ok=True)
        for path, text in ((tcl, _as_tcl(module)), (lua, _as_lua(module))):
            with open(f"{path}.new", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
            os.replace(f"{path}.new", path)
    except OSError as error:
        hint = remedy(error, write=True)
        raise WherryError(f"cannot write the modulefile '{tcl}'", why=reason(error), hint=hint) from None


def remove_module(path: str, folder: str) -> None:
    """Remove both files, and the folders of commands and modulefiles that are empty now."""
    for file in (path, f"{path}.lua"):
        if _is_ours(file):
            with contextlib.suppress(OSError):
                os.unlink(file)
    own = (folder, os.path.dirname(folder)) if f"/{HIDDEN}/" in folder else ()
    for empty in (*own, os.path.dirname(path)):
        with contextlib.suppress(OSError):
            os.rmdir(empty)


def _is_ours(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(len(_TCL)).startswith((_TCL, _LUA))
    except OSError:
        return False


def _as_tcl(module: Module) -> str:
    name = os.path.basename(os.path.dirname(module.path))
    return (
        f"{_TCL}"
        f"proc ModulesHelp {{ }} {{\n    puts stderr {_tcl(module.description)}\n}}\n"
        f"module-whatis {_tcl(module.description)}\n"
        f"conflict {_tcl(name)}\n"
        f"prepend-path PATH {_tcl(module.folder)}\n"
    )


def _as_lua(module: Module) -> str:
    name = os.path.basename(os.path.dirname(module.path))
    return (
        f"{_LUA}"
        f"help({_lua(module.description)})\n"
        f"whatis({_lua(module.description)})\n"
        f"conflict({_lua(name)})\n"
        f'prepend_path("PATH", {_lua(module.folder)})\n'
    )


def _tcl(text: str) -> str:
    """One word, in which nothing is substituted."""
    return '"' + "".join(f"\\{letter}" if letter in '\\"$[]{};' else letter for letter in text) + '"'


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
