"""RUN: the command, all that it is given, and its mounts (reference: RUN, "RUN --mount", "RUN --network")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.decimals import decimal
from wherry.build.dockerfile import RecipeError, script_of
from wherry.build.dockerfile.instructions import Mount, Run
from wherry.build.graph import Files, HistoryLine, MountFrom, Origin, RunStep
from wherry.build.translate.configuring import shell_of
from wherry.build.translate.scope import PREDEFINED
from wherry.build.translate.staged import absolute

if TYPE_CHECKING:
    from wherry.build.translate.translating import Stages, Work

__all__ = ["run_step"]

_SCRIPTS = "/dev/pipes"
_NETWORKS = ("default", "none", "host")
_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def run_step(stages: Stages, work: Work, instruction: Run, place: int) -> None:
    """Add the step, and its line of history."""
    if instruction.network not in ("", *_NETWORKS):
        raise RecipeError(
            f"there is no network '{instruction.network}'", instruction.position, hint="default, none or host"
        )
    if instruction.security not in ("", "sandbox"):
        raise RecipeError(
            f"'--security={instruction.security}' cannot be had",
            instruction.position,
            why="it would need root of this machine, and Wherry builds without",
            hint="leave it out",
        )
    if instruction.devices:
        raise RecipeError(
            f"'--device={instruction.devices[0]}' cannot be had",
            instruction.position,
            why="what a build makes must not depend on the machine that it runs on, so it sees no devices",
            hint="leave it out, and use the device when the image runs",
        )
    command, files = _command(instruction, work)
    given = _given(work)
    shown = " ".join(command)
    arguments = [f"{name}={value}" for name, value in given.items() if name not in PREDEFINED]
    text = f"RUN |{len(arguments)} {' '.join(arguments)} {shown}" if arguments else f"RUN {shown}"
    origin = Origin(instruction.position, f"RUN {_brief(instruction)}", work.name)
    network = instruction.network if instruction.network not in ("", "default") else stages.arguments.network
    work.step = stages.add(
        RunStep(
            origin=origin,
            parent=work.step,
            command=command,
            env=(
                *(work.config.get("Env") or ()),
                *(f"{name}={value}" for name, value in given.items() if name not in PREDEFINED),
            ),
            arguments=tuple(name for name in given if name not in PREDEFINED),
            quiet_env=tuple(f"{name}={value}" for name, value in given.items() if name in PREDEFINED),
            user=work.config.get("User") or "",
            directory=work.config.get("WorkingDir") or "/",
            platform=work.platform,
            mounts=tuple(_mounted(stages, work, mount, instruction, place) for mount in instruction.mounts),
            network="none" if network == "none" else "host",
            files=files,
        )
    )
    work.history.append(HistoryLine(text, work.step))


def _brief(instruction: Run) -> str:
    return " ".join(instruction.text.partition(" ")[2].split()) or instruction.text


def _given(work: Work) -> dict[str, str]:
    """Arguments that the command sees: those declared so far, unless a variable has their name, and the predefined."""
    scope = work.scope
    found = {name: scope.arguments[name] for name in work.arguments if name in scope.arguments}
    predefined = {name: scope.given[name] for name in PREDEFINED if name in scope.given}
    return {name: value for name, value in {**predefined, **found}.items() if name not in scope.env}


def _command(instruction: Run, work: Work) -> tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]:
    """The words to execute. A command that is nothing but a heredoc is a script: for the shell, or for the program
    that its first line names (reference: "Here-Documents")."""
    command, heredocs = instruction.command, instruction.heredocs
    if command.words is not None:
        if not command.words:
            raise RecipeError("RUN needs a command", instruction.position)
        return command.words, ()
    shell = shell_of(work.config)
    if not heredocs:
        return (*shell, command.text), ()
    only = script_of(instruction)
    if only is not None:
        if only.content.startswith("#!"):
            path = f"{_SCRIPTS}/{only.name}"
            return (path,), ((path, only.content.encode("utf-8", "surrogateescape")),)
        return (*shell, only.content), ()
    text = command.text.rstrip("\n") + "\n"
    for heredoc in heredocs:
        text += f"{heredoc.content}{heredoc.name}\n"
    return (*shell, text), ()


def _mounted(stages: Stages, work: Work, mount: Mount, instruction: Run, place: int) -> MountFrom:
    at = instruction.position

    def expand(word: str) -> str:
        return work.scope.expand(word, at)

    mount = msgspec.structs.replace(mount, type=expand(mount.type), sharing=expand(mount.sharing))
    if mount.type not in _TYPES:
        raise RecipeError(f"there is no mount of type '{mount.type}'", at, hint=", ".join(_TYPES))
    if mount.sharing not in _SHARING:
        raise RecipeError(f"a cache cannot be shared '{mount.sharing}'", at, hint=", ".join(_SHARING))
    target, source, name = expand(mount.target), expand(mount.source), expand(mount.id)
    if not target:
        target = _default_target(mount, name, source, instruction)
    target = absolute(work, target).rstrip("/")
    if not target:
        raise RecipeError("a mount cannot take the place of /", at, hint="name a directory: target=/src")
    origin = Origin(at, f"RUN --mount from={mount.from_}", work.name)
    files = None
    if mount.type in ("bind", "cache") and (mount.type == "bind" or mount.from_):
        paths = (source or "/",)
        if mount.from_:
            files = stages.files_of(expand(mount.from_), place, work.platform, origin, paths)
        else:
            files = Files(kind="context", paths=paths)
    return MountFrom(
        type=mount.type,
        target=target,
        files=files,
        read_only=mount.read_only if mount.read_only is not None else mount.type == "bind",
        id=name or (target if mount.type == "cache" else _secret_id(mount, target, source)),
        sharing=mount.sharing,
        mode=_octal(expand(mount.mode), instruction),
        uid=_number(expand(mount.uid), instruction),
        gid=_number(expand(mount.gid), instruction),
        size=_size(expand(mount.size), instruction),
        required=mount.required,
        env=expand(mount.env),
    )


def _default_target(mount: Mount, name: str, source: str, instruction: Run) -> str:
    if mount.type == "secret":
        return f"/run/secrets/{name or source.rpartition('/')[2] or 'secret'}"
    if mount.type == "ssh":
        return f"/run/buildkit/ssh_agent.{name or 'default'}"
    raise RecipeError(
        f"a mount of type '{mount.type}' needs a target", instruction.position, hint=f"type={mount.type},target=/path"
    )


def _secret_id(mount: Mount, target: str, source: str) -> str:
    if mount.type == "ssh":
        return "default"
    return source.rpartition("/")[2] or target.rpartition("/")[2] if mount.type == "secret" else ""


def _octal(text: str, instruction: Run) -> int | None:
    if not text:
        return None
    if not set(text) <= set("01234567") or int(text, 8) > 0o7777:
        raise RecipeError(f"'{text}' is not a mode", instruction.position, hint="mode=0755")
    return int(text, 8)


def _number(text: str, instruction: Run) -> int:
    number = decimal(text) if text else 0
    if number is None:
        raise RecipeError(f"'{text}' is not a number of a user or group", instruction.position, hint="uid=1000")
    return number


def _size(text: str, instruction: Run) -> int | None:
    if not text:
        return None
    digits = text.lower().rstrip("bkmg")
    number, unit = decimal(digits), text.lower()[len(digits) :].removesuffix("b") if text.lower() != "b" else ""
    if number is None or unit not in _UNITS:
        raise RecipeError(f"'{text}' is not a size", instruction.position, hint="size=512m")
    return number * _UNITS[unit]
