"""Instructions to canonical text: a line each, with their heredocs, and the comments in front of what they precede.

What is written is read again as the same recipe, but for positions (``tests/unit/build/dockerfile`` says so).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from wherry.build.dockerfile import instructions as kinds
from wherry.build.dockerfile.instructions import Command, Heredoc, Instruction, Mount, Pair, Recipe
from wherry.build.dockerfile.lines import SPACES, ended

__all__ = ["show"]


def show(recipe: Recipe) -> str:
    """The recipe as text."""
    directives, escape = recipe.directives, recipe.directives.escape
    said = [("syntax", directives.syntax), ("escape", "" if escape == "\\" else escape), ("check", directives.check)]
    lines = [f"# {name}={value}" for name, value in said if value]
    if lines or (recipe.comments and "=" in recipe.comments[0][1]):
        lines.append("")  # a comment after an empty line is no directive
    comments = list(recipe.comments)
    for instruction in _all(recipe):
        while comments and comments[0][0] <= instruction.last_line:
            lines.append(f"# {comments.pop(0)[1]}".rstrip())
        if isinstance(instruction, kinds.From) and lines and lines[-1] and not lines[-1].startswith("#"):
            lines.append("")
        lines.append(_instruction(instruction, escape))
    lines += [f"# {text}".rstrip() for _, text in comments]
    return "\n".join(lines) + "\n"


def _all(recipe: Recipe) -> Iterator[Instruction]:
    yield from recipe.args
    for stage in recipe.stages:
        yield stage.source
        yield from stage.instructions


def _instruction(instruction: Instruction, escape: str) -> str:
    flags, rest = _WRITERS[type(instruction)](instruction)
    if rest.startswith("--"):
        rest = f"-- {rest}"
    line = " ".join([str(type(instruction).__struct_config__.tag), *flags, rest])
    heredocs = () if isinstance(instruction, kinds.Onbuild) else instruction.heredocs  # its own are in the trigger
    return ended(line, escape) + "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in heredocs)


_Written = tuple[list[str], str]


def _flags(**values: str | bool | tuple[str, ...] | None) -> list[str]:
    """Flags that say something; an underscore is a dash."""
    found = []
    for name, value in values.items():
        flag = f"--{name.strip('_').replace('_', '-')}"
        if isinstance(value, bool):
            found.append(flag if value else f"{flag}=false")
        elif isinstance(value, tuple):
            found += [f"{flag}={_bare(each)}" for each in value]
        elif value:
            found.append(f"{flag}={_bare(value)}")
    return found


def _bare(value: str) -> str:
    """As one word of a flag: quotes and backslashes are taken off it when it is read."""
    return "".join(f"\\{letter}" if letter in "\\'\"" or letter in SPACES else letter for letter in value)


def _command(command: Command) -> str:
    return command.text if command.words is None else _list(command.words)


def _list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(msgspec.json.encode(word).decode() for word in words)}]"


def _words(words: tuple[str, ...]) -> str:
    """As they are where they would be read so, else as a list."""
    plain = all(word and not any(letter in SPACES for letter in word) and "<<" not in word for word in words)
    if plain and not words[0].startswith(("[", "--")) and not words[-1].endswith(("\\", "`")):
        return " ".join(words)
    return _list(words)


def _pairs(said: Any) -> _Written:
    pairs: tuple[Pair, ...] = said.pairs
    if getattr(said, "legacy", False):
        return [], f"{pairs[0].name} {pairs[0].value}"
    return [], " ".join(pair.name if pair.value is None else f"{pair.name}={pair.value}" for pair in pairs)


def _from(said: kinds.From) -> _Written:
    return _flags(platform=said.platform), f"{said.image} AS {said.name}" if said.name else said.image


def _run(said: kinds.Run) -> _Written:
    mounts = tuple(_mount(mount) for mount in said.mounts)
    flags = _flags(mount=mounts, network=said.network, security=said.security, device=said.devices)
    return flags, _command(said.command)


def _mount(mount: Mount) -> str:
    fields = [f"type={mount.type}"]
    for name in ("from_", "source", "target", "id", "mode", "uid", "gid", "size", "env"):
        value = getattr(mount, name)
        if value:
            fields.append(f"{name.strip('_')}={value}")
    if mount.sharing != "shared":
        fields.append(f"sharing={mount.sharing}")
    if mount.read_only is not None:
        fields.append("readonly" if mount.read_only else "readwrite")
    if mount.required:
        fields.append("required=true")
    return ",".join(_field(field) for field in fields)


def _field(field: str) -> str:
    if not any(letter in ',"\r\n' for letter in field):
        return field
    doubled = field.replace('"', '""')
    return f'"{doubled}"'


def _paths(said: kinds.Copy | kinds.Add) -> str:
    if not said.heredocs:
        return _words((*said.sources, said.target))
    return " ".join([*(_mark(heredoc) for heredoc in said.heredocs), *said.sources, said.target])


def _mark(heredoc: Heredoc) -> str:
    begin = f"{heredoc.descriptor or ''}<<{'-' if heredoc.dedent else ''}"
    special = '\\"$' if not heredoc.expand else f"\\\"$'{SPACES}"
    name = "".join(f"\\{letter}" if letter in special else letter for letter in heredoc.name)
    return f"{begin}{name}" if heredoc.expand else f'{begin}"{name}"'


def _copy(said: kinds.Copy) -> _Written:
    flags = _flags(from_=said.from_, chown=said.chown, chmod=said.chmod, link=said.link or None)
    return [*flags, *_flags(parents=said.parents or None, exclude=said.exclude)], _paths(said)


def _add(said: kinds.Add) -> _Written:
    flags = _flags(chown=said.chown, chmod=said.chmod, link=said.link or None, exclude=said.exclude)
    more = _flags(checksum=said.checksum, keep_git_dir=said.keep_git_dir or None, unpack=said.unpack)
    return [*flags, *more], _paths(said)


def _healthcheck(said: kinds.Healthcheck) -> _Written:
    flags = _flags(
        interval=said.interval,
        timeout=said.timeout,
        start_period=said.start_period,
        start_interval=said.start_interval,
        retries=said.retries,
    )
    return flags, "NONE" if said.command is None else f"CMD {_command(said.command)}"


_WRITERS: dict[type[Instruction], Callable[[Any], _Written]] = {
    kinds.Add: _add,
    kinds.Arg: _pairs,
    kinds.Cmd: lambda said: ([], _command(said.command)),
    kinds.Copy: _copy,
    kinds.Entrypoint: lambda said: ([], _command(said.command)),
    kinds.Env: _pairs,
    kinds.Expose: lambda said: ([], " ".join(said.ports)),
    kinds.From: _from,
    kinds.Healthcheck: _healthcheck,
    kinds.Label: _pairs,
    kinds.Maintainer: lambda said: ([], said.name),
    kinds.Onbuild: lambda said: ([], said.trigger),
    kinds.Run: _run,
    kinds.Shell: lambda said: ([], _list(said.words)),
    kinds.StopSignal: lambda said: ([], said.signal),
    kinds.User: lambda said: ([], said.user),
    kinds.Volume: lambda said: ([], _words(said.paths)),
    kinds.Workdir: lambda said: ([], said.path),
}
