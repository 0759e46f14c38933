"""One instruction after the other: what it changes in its stage's configuration, and the steps that it becomes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wherry.build.dockerfile import RecipeError, expand_words
from wherry.build.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from wherry.build.graph import HistoryLine, MetaStep, Origin
from wherry.build.translate import configuring

if TYPE_CHECKING:
    from wherry.build.translate.translating import Stages, Work

__all__ = ["absolute", "carry_out"]


def carry_out(stages: Stages, work: Work, instruction: Instruction, place: int) -> None:
    """Take the instruction into ``work``; raises :class:`RecipeError`."""
    if isinstance(instruction, Copy | Add):
        from wherry.build.translate.copying import copy_step

        copy_step(stages, work, instruction, place)
    elif isinstance(instruction, Run):
        from wherry.build.translate.running import run_step

        run_step(stages, work, instruction, place)
    else:
        _HANDLERS[type(instruction)](work, instruction, stages)


def _done(work: Work, text: str, step: int = -1) -> None:
    work.history.append(HistoryLine(text, step))


def _origin(work: Work, instruction: Instruction, text: str) -> Origin:
    return Origin(instruction.position, text, work.name)


def _arg(work: Work, instruction: Arg, stages: Stages) -> None:
    shown = []
    for name, value in work.scope.declare(instruction):
        work.arguments = [*(known for known in work.arguments if known != name), name]
        shown.append(name if value is None else f"{name}={value}")
    _done(work, f"ARG {' '.join(shown)}")


def _env(work: Work, instruction: Env, stages: Stages) -> None:
    pairs = _pairs(work, instruction)
    for name, value in pairs:
        if not name:
            raise RecipeError("a variable needs a name", instruction.position, hint="ENV NAME=value")
        configuring.add_env(work.config, name, value)
        work.scope.env[name] = value
    _done(work, f"ENV {_shown(pairs)}")


def _label(work: Work, instruction: Label, stages: Stages) -> None:
    pairs = _pairs(work, instruction)
    configuring.add_labels(work.config, pairs)
    _done(work, f"LABEL {_shown(pairs)}")


def _pairs(work: Work, instruction: Env | Label) -> list[tuple[str, str]]:
    """All words see the variables as they were before the instruction."""
    expanded = work.scope.copy_of_variables().expand
    at = instruction.position
    return [(expanded(pair.name, at), expanded(pair.value or "", at)) for pair in instruction.pairs]


def _shown(pairs: list[tuple[str, str]]) -> str:
    return " ".join(f"{name}={value}" for name, value in pairs)


def _cmd(work: Work, instruction: Cmd, stages: Stages) -> None:
    configuring.set_cmd(work.config, instruction.command)
    work.has_cmd = True
    _done(work, f"CMD {_list(configuring.words_of(work.config, instruction.command))}")


def _entrypoint(work: Work, instruction: Entrypoint, stages: Stages) -> None:
    configuring.set_entrypoint(work.config, instruction.command, keep_cmd=work.has_cmd)
    _done(work, f"ENTRYPOINT {_list(configuring.words_of(work.config, instruction.command))}")


def _shell(work: Work, instruction: Shell, stages: Stages) -> None:
    if not instruction.words:
        raise RecipeError("SHELL needs a list of words", instruction.position, hint='SHELL ["/bin/bash", "-c"]')
    work.config["Shell"] = list(instruction.words)
    _done(work, f"SHELL {_list(list(instruction.words))}")


def _list(words: list[str]) -> str:
    """As Docker's history shows it: ``["sh" "-c" "x"]``."""
    return "[" + " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "]"


def _workdir(work: Work, instruction: Workdir, stages: Stages) -> None:
    path = work.scope.expand(instruction.path, instruction.position)
    if not path:
        raise RecipeError("WORKDIR names no directory", instruction.position, why=f"'{instruction.path}' is empty here")
    directory = configuring.directory_after(work.config, path)
    work.config["WorkingDir"] = directory
    text = f"WORKDIR {directory}"
    work.step = stages.add(
        MetaStep(
            origin=_origin(work, instruction, text),
            parent=work.step,
            directory=directory,
            user=work.config.get("User") or "",
        )
    )
    _done(work, text, work.step)


def _user(work: Work, instruction: User, stages: Stages) -> None:
    user = work.scope.expand(instruction.user, instruction.position)
    if not user:
        raise RecipeError("USER names nobody", instruction.position, why=f"'{instruction.user}' is empty here")
    work.config["User"] = user
    _done(work, f"USER {user}")


def _expose(work: Work, instruction: Expose, stages: Stages) -> None:
    ports = _words(work, instruction.ports, instruction)
    configuring.add_ports(work.config, ports, instruction.position)
    _done(work, f"EXPOSE {_list(ports)}")


def _volume(work: Work, instruction: Volume, stages: Stages) -> None:
    paths = [work.scope.expand(path, instruction.position) for path in instruction.paths]
    configuring.add_volumes(work.config, paths, instruction.position)
    _done(work, f"VOLUME {_list(paths)}")


def _words(work: Work, words: tuple[str, ...], instruction: Instruction) -> list[str]:
    try:
        return [part for word in words for part in expand_words(word, work.scope.variables, work.scope.escape)]
    except RecipeError as error:
        raise error.at(instruction.position) from None


def _stop_signal(work: Work, instruction: StopSignal, stages: Stages) -> None:
    import signal

    said = work.scope.expand(instruction.signal, instruction.position)
    name = f"SIG{said.upper().removeprefix('SIG')}"
    known = said.isascii() and said.isdigit() and 0 < int(said) <= 64
    if not known and name not in signal.Signals.__members__ and not name.startswith(("SIGRTMIN", "SIGRTMAX")):
        raise RecipeError(f"'{said}' is not a signal", instruction.position, hint="STOPSIGNAL SIGTERM")
    work.config["StopSignal"] = said
    _done(work, f"STOPSIGNAL {said}")


def _healthcheck(work: Work, instruction: Healthcheck, stages: Stages) -> None:
    if instruction.command is not None and instruction.command.words is None and not instruction.command.text.strip():
        raise RecipeError("HEALTHCHECK CMD needs a command", instruction.position, hint="HEALTHCHECK CMD curl -f ...")
    configuring.set_healthcheck(work.config, instruction)
    _done(work, " ".join(instruction.text.split()))


def _onbuild(work: Work, instruction: Onbuild, stages: Stages) -> None:
    work.config["OnBuild"] = [*(work.config.get("OnBuild") or ()), instruction.trigger]
    _done(work, f"ONBUILD {instruction.trigger}")


def _maintainer(work: Work, instruction: Maintainer, stages: Stages) -> None:
    work.document["author"] = instruction.name
    _done(work, f"MAINTAINER {instruction.name}")


_HANDLERS: dict[type[Instruction], Callable[[Any, Any, Any], None]] = {
    Arg: _arg,
    Cmd: _cmd,
    Entrypoint: _entrypoint,
    Env: _env,
    Expose: _expose,
    Healthcheck: _healthcheck,
    Label: _label,
    Maintainer: _maintainer,
    Onbuild: _onbuild,
    Shell: _shell,
    StopSignal: _stop_signal,
    User: _user,
    Volume: _volume,
    Workdir: _workdir,
}


def absolute(work: Work, path: str) -> str:
    """The path below the working directory; a slash at its end, which says that it is a directory, stays."""
    found = posixpath.normpath(posixpath.join("/", work.config.get("WorkingDir") or "/", path)).replace("//", "/")
    return f"{found.rstrip('/')}/" if path.endswith(("/", "/.")) or path in (".", "..") else found
