"""``expose``: make, list, update and remove commands; what the shell will make of them goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

if TYPE_CHECKING:
    from wherry.containers import Exposed

__all__ = ["expose"]

_COLUMNS = (("NAME", "Name"), ("COMMAND", "Command"), ("IMAGE", "Image"), ("PATH", "Path"))


def expose(given: Given) -> int:
    """Do what one of --list, --update, --remove says, else make commands."""
    actions = [name for name in ("list", "update", "remove") if given.flag(name)]
    if len(actions) > 1:
        raise UsageError(f"--{actions[0]} and --{actions[1]} cannot be combined")
    if actions:
        for name in ("module", "module_name", "as", "all", "volume", "env"):
            if given.options.get(name):
                raise UsageError(f"--{name.replace('_', '-')} has no meaning with --{actions[0]}")
    folder = given.text("dir") or ""
    if given.flag("list"):
        listing.show(map(_row, containers.exposed(folder, given.words)), _COLUMNS, given.text("format"))
        return 0
    if given.flag("update"):
        return _update(given, folder)
    if given.flag("remove"):
        return _remove(given, folder)
    return _make(given, folder)


def _make(given: Given, folder: str) -> int:
    if not given.words:
        raise UsageError("no image is named", hint="wherry expose IMAGE COMMAND...")
    wanted = containers.Exposing(
        image=given.word,
        names=given.words[1:],
        commands=given.many("as"),
        everything=given.flag("all"),
        folder=folder,
        modules=given.text("module") or "",
        module=given.text("module_name") or "",
        volumes=given.many("volume"),
        env=given.many("env"),
    )
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_expose(wanted), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        made = containers.expose(wanted, progress=progress)
    for each in made:
        print(each.path)
    _tell(made)
    return 0


def _update(given: Given, folder: str) -> int:
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_update_exposed(given.words, folder), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        pairs = containers.update_exposed(given.words, folder, progress=progress)
    for before, after in pairs:
        print(f"{after.path}: {'as before' if before == after else after.word}")
    return 0


def _remove(given: Given, folder: str) -> int:
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_unexpose(given.words, folder), given.text("format"))
    for each in containers.unexpose(given.words, folder):
        print(each.path)
    return 0


def _tell(made: Iterable[Exposed]) -> None:
    """What still keeps a shell from calling the commands."""
    for each in made:
        if each.module:
            folder = os.path.dirname(os.path.dirname(each.module))
            module = each.module.removeprefix(f"{folder}/")
            print(f"wherry: note: module use {folder}; module load {module}", file=sys.stderr)
            return
        hidden, folder = containers.hidden_by(each), os.path.dirname(each.path)
        if hidden == "":
            print(f"wherry: note: '{folder}' is not in PATH: export PATH={folder}:$PATH", file=sys.stderr)
            return
        if hidden is not None:
            what = f"'{each.name}' is still {hidden}, which comes first in PATH"
            print(f"wherry: note: {what}: export PATH={folder}:$PATH", file=sys.stderr)


def _row(each: Exposed) -> dict[str, object]:
    return {
        "Name": each.name,
        "Command": " ".join(each.command),
        "Image": each.image,
        "Word": each.word,
        "Path": each.path,
        "Module": each.module,
        "Options": list(each.options),
    }
