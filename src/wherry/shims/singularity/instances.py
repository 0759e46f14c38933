"""Instances: containers in the background that are known by a name, and what is executed in them."""

from __future__ import annotations

import json
import os
import sys
from typing import TextIO

import msgspec

from wherry.base.errors import NotFound, UsageError, reason, remedy
from wherry.cli.grammar import Given
from wherry.containers import World
from wherry.shims.singularity.given import Asked, asked, tell

__all__ = ["do_list", "do_run", "do_start", "do_stats", "do_stop", "enter"]

_LABEL = "org.apptainer.instance"
"""Marks the containers that are instances; its value is the image as the user named it."""


def do_start(face: str, given: Given, *, quiet: bool) -> int:
    """``instance start IMAGE NAME [ARGUMENT...]``: its start script runs, and it stays until it is stopped."""
    return _start(given, "start", quiet=quiet)


def do_run(face: str, given: Given, *, quiet: bool) -> int:
    """As ``instance start``, with the run script in place of the start script."""
    return _start(given, "run", quiet=quiet)


def _start(given: Given, verb: str, *, quiet: bool) -> int:
    from wherry import containers
    from wherry.cli.moving import shown
    from wherry.shims.singularity.starting import flags_of, start_options

    world = World()
    words = asked(flags_of("start"), given, world.outside)
    if len(given.words) < 2:
        raise UsageError("an instance needs an image and a name", hint="apptainer instance start IMAGE NAME")
    image, name, *arguments = given.words
    found = start_options(verb, image, tuple(arguments), words, world).options
    options = msgspec.structs.replace(
        found, detach=True, remove=True, name=name, labels=((_LABEL, image),), interactive=False, if_terminal=False
    )
    if words.text("pid_file"):
        _opened(words.text("pid_file")).close()  # what cannot be written is told before anything runs
    with shown(quiet) as progress:
        started = containers.prepare(options, world=world, progress=progress)
    started.begin_detached()
    if words.text("pid_file"):
        _write_pid(words.text("pid_file"), name, world)
    if not quiet:
        tell(f"instance '{name}' started")
    return 0


def _write_pid(path: str, name: str, world: World) -> None:
    from wherry import containers

    running = containers.find_container(world, name).running
    with _opened(path) as file:
        file.write(f"{running.init_pid if running else 0}\n")


def _opened(path: str) -> TextIO:
    try:
        return open(path, "w")
    except OSError as error:
        raise UsageError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None


def do_list(face: str, given: Given, *, quiet: bool) -> int:
    """A table, or JSON in the peer's form."""
    found = [each for each in _instances(World()) if not given.words or _fits(str(each["instance"]), given.word)]
    if given.flag("json"):
        print(json.dumps({"instances": found}, indent="\t"))
        return 0
    columns = {"INSTANCE NAME": "instance", "PID": "pid"}
    columns |= {"LOGS": "logOutPath"} if given.flag("logs") else {"IP": "ip", "IMAGE": "img"}
    rows = [tuple(columns), *(tuple(str(each[key]) for key in columns.values()) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("    ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def do_stop(face: str, given: Given, *, quiet: bool) -> int:
    """One by its name or a pattern, or all."""
    from wherry import containers

    world = World()
    names = [str(each["instance"]) for each in _instances(world)]
    if not given.flag("all"):
        if not given.words:
            raise UsageError("no instance is named", hint=f"{face} instance stop NAME, or --all")
        names = [name for name in names if _fits(name, given.word)]
        if not names:
            raise NotFound(f"no instance '{given.word}' runs", hint=f"{face} instance list")
    signal = "SIGKILL" if given.flag("force") else given.text("signal")
    for name in names:
        containers.stop(name, seconds=int(given.text("timeout") or 10), signal=signal, world=world)
        if not quiet:
            tell(f"instance '{name}' stopped")
    return 0


def do_stats(face: str, given: Given, *, quiet: bool) -> int:
    """Not measured in the peer's form."""
    raise UsageError(f"'{face} instance stats' is not possible", hint=f"wherry stats {given.word}")


def enter(verb: str, image: str, command: tuple[str, ...], words: Asked, world: World) -> int:
    """``exec``, ``run`` or ``shell`` with ``instance://NAME``."""
    from wherry import containers
    from wherry.image import view
    from wherry.launch import ExecOptions, scripted_exec
    from wherry.shims.singularity.variables import variables

    name = image.removeprefix("instance://")
    found = containers.find_container(world, name)
    if found.kept is None or _LABEL not in dict(found.kept.options.labels):
        raise NotFound(f"no instance '{name}' runs", hint="apptainer instance list")
    resolved = containers.resolve(world, found.kept.options.image)
    assert isinstance(resolved, containers.Resolved)
    has = variables(verb, dict(found.kept.options.labels)[_LABEL], words, world.outside)
    argv, env = scripted_exec(has.scripts, command, has.env, resolved.image, view(resolved.image))
    terminal = all(os.isatty(stream.fileno()) for stream in (sys.stdin, sys.stdout, sys.stderr))
    options = ExecOptions(
        container=name,
        command=argv,
        env=env,
        workdir=words.text("pwd") or None,
        interactive=True,
        terminal=terminal,
    )
    return containers.exec_(options, world=world)


def _fits(name: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern.removeprefix("instance://"))


def _instances(world: World) -> list[dict[str, object]]:
    from wherry import containers

    found: list[dict[str, object]] = []
    for summary in containers.ps(world=world):
        if _LABEL not in summary.labels or not summary.names:
            continue
        log = f"{world.containers}/{summary.id}/log.json"
        found.append(
            {
                "instance": summary.names[0],
                "pid": summary.pid,
                "img": summary.labels[_LABEL],
                "ip": "",
                "logErrPath": log,
                "logOutPath": log,
            }
        )
    return sorted(found, key=lambda each: str(each["instance"]))
