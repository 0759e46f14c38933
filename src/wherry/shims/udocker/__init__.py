"""``udocker``: containers that stay, are known by name, and whose files all their runs share.

What udocker keeps as directory trees are Wherry's kept containers here: the image's layers, and one writable layer. Its
execution modes are accepted and remembered; the engine is chosen by Wherry.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wherry.base.errors import WherryError
from wherry.shims.udocker import words as grammar

if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cli.grammar import Given

__all__ = ["main"]

FAILED = 1

_WHERE = {
    **dict.fromkeys(("run", "create"), "starting"),
    **dict.fromkeys(("ps", "rm", "name", "rename", "rmname", "clone", "protect", "unprotect", "setup"), "keeping"),
    **dict.fromkeys(("inspect",), "looking"),
    **dict.fromkeys(("images", "verify", "search", "manifest", "showconf", "version", "help"), "looking"),
    **dict.fromkeys(
        ("pull", "load", "save", "import", "export", "rmi", "tag", "login", "logout", "mkrepo", "install"), "images"
    ),
}
"""Which module of this package has a verb: there it is a function ``do_VERB(given, general, world) -> int``."""


def main(face: str, words: list[str]) -> int:
    """Do what the command line says. Errors are told in udocker's form, with its status."""
    try:
        return _main(words)
    except WherryError as error:
        print(f"Error: {error}" + (f"\n  next: {error.hint}" if error.hint else ""), file=sys.stderr)
        return FAILED


def _main(words: list[str]) -> int:
    general, verb, rest = grammar.split(words)
    if general.flag("version"):
        verb = "version"
    if not verb or general.flag("help"):
        verb = "help"
    if verb not in _WHERE:
        print(f"Error: invalid command: {verb}\n", file=sys.stderr)
        return FAILED
    if "--help" in rest[:1]:
        verb, rest = "help", [verb]
    given = grammar.read(grammar.OPTIONS[verb], rest)
    if verb == "run" and given.prefix:
        from wherry.shims.udocker.starting import run

        return run(given, general, tuple(words[: len(words) - len(rest) + len(given.prefix)]))
    do = _load(verb)
    return do(given, general)


def _load(verb: str) -> Callable[[Given, Given], int]:
    from importlib import import_module

    module = import_module(f"wherry.shims.udocker.{_WHERE[verb]}")
    found: Callable[[Given, Given], int] = getattr(module, f"do_{verb.replace('import', 'import_')}")
    return found
