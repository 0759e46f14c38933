"""``shim``: install, list and remove the links; what the shell will make of them goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given

if TYPE_CHECKING:
    from wherry.containers import Shim

__all__ = ["shim"]

_COLUMNS = (("NAME", "Name"), ("STATE", "State"), ("LINK", "Path"))


def shim(given: Given) -> int:
    """Do the action that the first word names."""
    action, names, folder = given.word, given.words[1:], given.text("dir") or ""
    if action == "list":
        if names:
            raise UsageError("'wherry shim list' takes no names", hint="wherry shim list")
        rows = [{"Name": each.name, "State": each.state, "Path": each.path} for each in containers.shims(folder)]
        listing.show(rows, _COLUMNS, given.text("format"))
        return 0
    if action == "install":
        return _install(given, names, folder)
    if action == "remove":
        return _remove(given, names, folder)
    raise UsageError(f"'wherry shim {action}' is not known", hint="wherry shim install, list or remove")


def _install(given: Given, names: tuple[str, ...], folder: str) -> int:
    force = given.flag("force")
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_install_shims(names, folder, force=force), given.text("format"))
    made = containers.install_shims(names, folder, force=force)
    for each in made:
        print(each.path)
    _tell(made)
    return 0


def _remove(given: Given, names: tuple[str, ...], folder: str) -> int:
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_remove_shims(names, folder), given.text("format"))
    for path in containers.remove_shims(names, folder):
        print(path)
    return 0


def _tell(made: Iterable[Shim]) -> None:
    """What still keeps the names from leading to Wherry."""
    for each in made:
        folder = each.path.rpartition("/")[0]
        if each.state == "not in PATH":
            print(f"wherry: note: '{folder}' is not in PATH: export PATH={folder}:$PATH", file=sys.stderr)
            return
        if each.state.startswith("hidden"):
            print(
                f"wherry: note: '{each.name}' is still {each.found}, which comes first in PATH: "
                f"export PATH={folder}:$PATH",
                file=sys.stderr,
            )
