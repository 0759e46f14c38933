"""What the settings add to a start's options, and what they forbid: once for the command line and for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import SettingsError, UsageError
from wherry.containers import amounts
from wherry.containers.binding import volume

if TYPE_CHECKING:
    from wherry.base.outside import Outside
    from wherry.base.settings import Settings
    from wherry.launch import RunOptions
    from wherry.launch.options import Bind

__all__ = ["complete"]


def complete(options: RunOptions, settings: Settings, outside: Outside) -> RunOptions:
    """The same options with the binds of ``run.binds``; what the options say of a place wins.

    Raises :class:`SettingsError` for an option that says something else than a key that the site has locked.
    """
    if settings.locked:
        _check_locks(options, settings)
    if options.cpus:
        _check_processors(options.cpus, outside)
    options = _with_ids(_limited(options, settings), settings)
    if settings.flag("run.interactive") and not options.detach:
        options = msgspec.structs.replace(options, interactive=True)
    taken = {bind.target for bind in options.binds} | {target for target, _ in options.tmpfs}
    added = tuple(bind for bind in _binds(settings, outside) if not _is_taken(bind, taken, settings))
    return msgspec.structs.replace(options, binds=(*added, *options.binds)) if added else options


def _check_processors(count: float, outside: Outside) -> None:
    """Docker refuses it, too. A setting is for machines of many sizes: there the most is what there is."""
    available = outside.processors(math.ceil(count))
    if count > available:
        why = f"only {available} can be used here" if available > 1 else "only one can be used here"
        raise UsageError(f"'--cpus {count:g}' is more processors than there are", why=why, hint=f"--cpus {available}")


def _limited(options: RunOptions, settings: Settings) -> RunOptions:
    """With the limits of ``resources``, where the options say none."""
    memory, cpus, pids = options.memory, options.cpus, options.pids_limit
    if memory is None and settings.text("resources.memory"):
        memory = amounts.memory(str(settings.number("resources.memory")), "resources.memory")
    if cpus is None and settings.text("resources.cpus"):
        cpus = amounts.processors(settings.text("resources.cpus"), "resources.cpus")
    if pids is None and settings.number("resources.pids"):
        pids = settings.number("resources.pids")
    if (memory, cpus, pids) == (options.memory, options.cpus, options.pids_limit):
        return options
    return msgspec.structs.replace(options, memory=memory, cpus=cpus, pids_limit=pids)


def _with_ids(options: RunOptions, settings: Settings) -> RunOptions:
    asked = options.userns
    if asked is None:
        return msgspec.structs.replace(options, userns="range") if settings.text("run.userns") == "range" else options
    if asked in ("one", "range"):
        return options
    why = {
        "host": "a user cannot start a container without a user namespace",
        "keep-id": "it is podman's, and what Wherry does anyway",
    }
    raise UsageError(f"'--userns {asked}' is not known", why=why.get(asked, ""), hint="--userns one or --userns range")


def _check_locks(options: RunOptions, settings: Settings) -> None:
    for name in ("pull", "network", "engine", "userns"):
        value = getattr(options, name)
        if value is not None:
            settings.with_flag(f"run.{name}", value, f"--{name}")
    for name, limit in (("memory", options.memory), ("cpus", options.cpus), ("pids", options.pids_limit)):
        if limit is not None and f"resources.{name}" in settings.locked:
            raise _locked(f"'--{name}{'-limit' if name == 'pids' else ''}'", f"resources.{name}", settings)
    if "run.env" in settings.locked:
        theirs = {text.partition("=")[0]: text for text in settings.items("run.env")}
        for text in options.env:
            locked = theirs.get(text.partition("=")[0])
            if locked is not None and locked != text:
                raise _locked(f"'-e {text}'", "run.env", settings)


def _is_taken(bind: Bind, taken: set[str], settings: Settings) -> bool:
    if bind.target in taken and "run.binds" in settings.locked:
        raise _locked(f"the mount at '{bind.target}'", "run.binds", settings)
    return bind.target in taken


def _locked(what: str, name: str, settings: Settings) -> SettingsError:
    why = f"the site has locked it in '{settings.locked[name]}'"
    return SettingsError(f"{what} overrides '{name}'", why=why, hint=f"leave it out; 'wherry settings {name}' shows it")


def _binds(settings: Settings, outside: Outside) -> tuple[Bind, ...]:
    """A source that this node lacks is passed over: one file of settings serves all nodes of a site."""
    found = []
    for text in settings.items("run.binds"):
        if not text.startswith(("/", "~")):
            raise SettingsError(
                f"setting 'run.binds' has '{text}'",
                why="its source is not an absolute path",
                hint=f"see {settings.source('run.binds')}",
            )
        found.append(msgspec.structs.replace(volume(text, outside), optional=True))
    return tuple(found)
