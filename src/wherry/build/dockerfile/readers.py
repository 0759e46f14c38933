"""Each instruction's own form: what stands after its name and flags, to its fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.build.dockerfile import instructions as kinds
from wherry.build.dockerfile.errors import RecipeError, nearest
from wherry.build.dockerfile.expansion import Unreadable, check
from wherry.build.dockerfile.instructions import Arg, Command, From, Instruction, Pair
from wherry.build.dockerfile.lines import BLANKS, SPACES, ended
from wherry.build.dockerfile.reading import Reading, skipped
from wherry.build.dockerfile.words import Word, exec_form, first_word, quoted_words, words

__all__ = ["READERS", "read_instruction", "read_trigger"]

_STAGE_NAME = r"[a-z][a-z0-9_.-]*"
_DURATION = r"0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+"


def read_instruction(said: Reading, *, first: bool = False) -> Instruction:
    """The instruction; ``first``: there is none before it that it could have been meant to go on."""
    read = READERS.get(said.name)
    if read is None:
        raise _unknown(said, first)
    said.read_flags()
    return read(said)


def read_trigger(said: Reading) -> Instruction:
    """The instruction behind an ONBUILD."""
    if said.name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise said.error(said.start, f"{said.name} cannot be a trigger of ONBUILD")
    return read_instruction(said, first=True)


def _unknown(said: Reading, first: bool) -> RecipeError:
    what = f"unknown instruction '{said.word[:64]}'"
    plain = re.match(r"[A-Za-z]+", said.word)
    if plain and len(said.word) > len(plain[0]) and said.word[len(plain[0])] in SPACES:
        why = "a blank that is no ordinary one (a no-break space) follows it"
        return said.error(said.start + len(plain[0]), what, why=why)
    near = nearest(said.name, READERS)
    hint = f"did you mean '{near}'?" if near else ""
    if not near and not first:
        hint = f"if this goes on from the line above, end that one with {said.escape}"
    return said.error(said.start, what, hint=hint)


def _from(said: Reading) -> Instruction:
    found = words(said.line.text, said.rest)
    if len(found) == 3 and found[1].text.lower() == "as":
        name = found[2].text.lower()
        if not re.fullmatch(_STAGE_NAME, name):
            why = "it begins with a letter, and has letters, digits, '_', '.' and '-'"
            raise said.error(found[2].offset, f"a stage cannot be named '{found[2].text}'", why=why)
    elif len(found) == 1:
        name = ""
    else:
        offset = found[1].offset if found else said.start
        raise said.error(offset, "FROM needs an image, and perhaps a name", hint="FROM IMAGE or FROM IMAGE AS NAME")
    image = said.checked(found[0])
    return said.made(From, image=image, platform=said.flag("platform"), name=name)


def _arg(said: Reading) -> Instruction:
    said.needs("a name", "ARG NAME or ARG NAME=DEFAULT")
    pairs = []
    for word in quoted_words(said.line, said.rest, said.escape):
        name, equals, value = said.checked(word).partition("=")
        if not name:
            raise said.error(word.offset, "an argument without a name", hint="ARG NAME=DEFAULT")
        pairs.append(Pair(name, value if equals else None))
    if not pairs:
        raise said.error(said.rest, "ARG needs a name", hint="ARG NAME or ARG NAME=DEFAULT")
    return said.made(Arg, pairs=tuple(pairs))


def _pairs(said: Reading, kind: type[kinds.Env] | type[kinds.Label]) -> Instruction:
    said.needs("a name and a value", f"{said.name} NAME=VALUE")
    text = said.line.text
    first = quoted_words(said.line, said.rest, said.escape, 1)
    if not first or "=" not in first[0].text:
        found = re.compile(f"[{BLANKS}]+").search(text, said.rest)
        if found is None:
            raise said.error(
                said.rest, f"{said.name} needs a value for '{said.text[:64]}'", hint=f"{said.name} NAME=VALUE"
            )
        name, value = Word(text[said.rest : found.start()], said.rest), Word(text[found.end() :], found.end())
        return said.made(kind, pairs=(Pair(said.checked(name), said.checked(value)),), legacy=True)
    pairs = []
    for word in quoted_words(said.line, said.rest, said.escape):
        name_, equals, value_ = said.checked(word).partition("=")
        if not equals:
            hint = f"{said.name} NAME=VALUE; quote a value with blanks"
            raise said.error(word.offset, f"'{word.text[:64]}' has no '='", hint=hint)
        if not name_:
            raise said.error(word.offset, "a value without a name", hint=f"{said.name} NAME=VALUE")
        pairs.append(Pair(name_, value_))
    return said.made(kind, pairs=tuple(pairs))


def _env(said: Reading) -> Instruction:
    return _pairs(said, kinds.Env)


def _label(said: Reading) -> Instruction:
    return _pairs(said, kinds.Label)


def _command(said: Reading, hint: str) -> Command:
    said.needs("a command", hint)
    found = exec_form(said.line, said.rest)
    return Command(found) if found is not None else Command(None, said.text)


def _run(said: Reading) -> Instruction:
    command = _command(said, "RUN COMMAND")
    if command.words is None:
        said.find_heredocs()
    elif not command.words:
        raise said.error(said.rest, "RUN needs a command", hint='RUN ["PROGRAM", "ARGUMENT"]')
    devices = []
    for word in said.flags.many("device"):
        if not word.text.partition(",")[0]:
            raise said.error(word.offset, "'--device' names no device", hint="--device=nvidia.com/gpu=all")
        devices.append(word.text)
    return said.made(
        kinds.Run,
        command=command,
        mounts=_mounts(said),
        network=said.flags.choice("network", ("default", "none", "host")),
        security=said.flags.choice("security", ("sandbox", "insecure")),
        devices=tuple(devices),
    )


def _mounts(said: Reading) -> tuple[kinds.Mount, ...]:
    if not said.flags.many("mount"):
        return ()
    from wherry.build.dockerfile.mounts import read_mount

    return tuple(read_mount(said.line, word, said.escape) for word in said.flags.many("mount"))


def _cmd(said: Reading) -> Instruction:
    command = _command(said, 'CMD ["PROGRAM", "ARGUMENT"]; CMD [] takes an inherited one away')
    return said.made(kinds.Cmd, command=command)


def _entrypoint(said: Reading) -> Instruction:
    command = _command(said, 'ENTRYPOINT ["PROGRAM", "ARGUMENT"]; ENTRYPOINT [] takes an inherited one away')
    return said.made(kinds.Entrypoint, command=command)


def _shell(said: Reading) -> Instruction:
    found = exec_form(said.line, said.rest)
    if not found:
        raise said.error(said.rest, "SHELL needs a list of words", hint='SHELL ["/bin/bash", "-c"]')
    return said.made(kinds.Shell, words=found)


def _paths(said: Reading) -> tuple[tuple[str, ...], str]:
    """Sources and target of COPY and ADD; a heredoc among the sources is in :attr:`Reading.heredocs`."""
    listed = _listed(said)
    spans: list[tuple[int, int]] = []
    if listed is not None:
        found = [Word(text, said.rest) for text in listed]
    else:
        spans = said.find_heredocs()
        found = [word for word in words(said.line.text, said.rest) if not _within(word.offset, spans)]
        for word in found:
            said.checked(word)
    if spans and (not found or spans[-1][0] > found[-1].offset):
        raise said.error(
            spans[-1][0], f"the target of {said.name} cannot be a heredoc", hint=f"{said.name} <<EOF /PATH"
        )
    if len(found) + len(spans) < 2:
        hint = f"{said.name} SOURCE TARGET"
        raise said.error(said.start, f"{said.name} needs a source and a target", hint=hint)
    for heredoc, (begin, _) in zip(said.heredocs, spans, strict=True):
        if "/" in heredoc.name or heredoc.name in (".", ".."):
            raise said.error(begin, f"the heredoc '{heredoc.name}' is to be a file's name, and cannot be one")
    return tuple(word.text for word in found[:-1]), found[-1].text


def _listed(said: Reading) -> tuple[str, ...] | None:
    """The words of a JSON list, which are given values as others are."""
    found = exec_form(said.line, said.rest)
    for text in found or ():
        try:
            check(text, said.escape)
        except Unreadable as error:
            raise said.error(said.rest, f"cannot read '{text[:64]}'", why=error.what) from None
    return found


def _within(offset: int, spans: list[tuple[int, int]]) -> bool:
    return any(begin <= offset < end for begin, end in spans)


def _copy(said: Reading) -> Instruction:
    sources, target = _paths(said)
    from_ = said.flag("from")
    if "$" in from_:
        hint = "name a stage for it: FROM $IMAGE AS tools, then --from=tools"
        raise said.flags.error("from", f"cannot use '--from={from_}'", why="'--from' takes no variable", hint=hint)
    return said.made(
        kinds.Copy,
        sources=sources,
        target=target,
        from_=from_,
        parents=said.flags.switch("parents") or False,
        **_ownership(said),
    )


def _add(said: Reading) -> Instruction:
    sources, target = _paths(said)
    return said.made(
        kinds.Add,
        sources=sources,
        target=target,
        checksum=said.flag("checksum"),
        keep_git_dir=said.flags.switch("keep-git-dir") or False,
        unpack=said.flags.switch("unpack"),
        **_ownership(said),
    )


def _ownership(said: Reading) -> dict[str, Any]:
    return {
        "chown": said.flag("chown"),
        "chmod": said.flag("chmod"),
        "link": said.flags.switch("link") or False,
        "exclude": said.flag_values("exclude"),
    }


def _word(said: Reading, what: str, hint: str) -> str:
    """All that is left is one word, blanks included."""
    said.needs(what, hint)
    return said.checked(Word(said.text, said.rest))


def _workdir(said: Reading) -> Instruction:
    return said.made(kinds.Workdir, path=_word(said, "a directory", "WORKDIR /PATH"))


def _user(said: Reading) -> Instruction:
    return said.made(kinds.User, user=_word(said, "a user", "USER NAME or USER NAME:GROUP"))


def _stop_signal(said: Reading) -> Instruction:
    signal = _word(said, "a signal", "STOPSIGNAL SIGTERM")
    return said.made(kinds.StopSignal, signal=signal)


def _maintainer(said: Reading) -> Instruction:
    said.needs("a name", "LABEL org.opencontainers.image.authors=NAME")
    return said.made(kinds.Maintainer, name=said.text)


def _expose(said: Reading) -> Instruction:
    said.needs("a port", "EXPOSE 8080 or EXPOSE 53/udp")
    ports = tuple(said.checked(word) for word in words(said.line.text, said.rest))
    return said.made(kinds.Expose, ports=ports)


def _volume(said: Reading) -> Instruction:
    found = _listed(said)
    if found is None:
        found = tuple(said.checked(word) for word in words(said.line.text, said.rest))
    if not found or not all(path.strip(SPACES) for path in found):
        raise said.error(said.start, "VOLUME needs a path", hint='VOLUME /PATH or VOLUME ["/PATH"]')
    return said.made(kinds.Volume, paths=found)


def _healthcheck(said: Reading) -> Instruction:
    hint = "HEALTHCHECK CMD COMMAND or HEALTHCHECK NONE"
    said.needs("a command", hint)
    kind = first_word(said.line.text, said.rest)
    after = skipped(said.line.text, said.rest + len(kind))
    times = {name.replace("-", "_"): _duration(said, name) for name in _TIMES}
    retries = said.flags.text("retries")
    if "retries" in said.flags.said and not re.fullmatch("[0-9]{1,9}", retries):
        raise said.flags.error("retries", f"'{retries}' is not a number of retries", hint="--retries=3")
    command = None
    if kind.upper() == "NONE":
        if after < len(said.line.text):
            raise said.error(after, "HEALTHCHECK NONE has nothing after it")
    elif kind.upper() == "CMD":
        said.rest = after
        command = _command(said, hint)
        if command.words == ():
            raise said.error(after, "HEALTHCHECK CMD needs a command", hint=hint)
    else:
        raise said.error(said.rest, f"'{kind[:64]}' is not a kind of health check", hint=hint)
    return said.made(kinds.Healthcheck, command=command, retries=retries, **times)


_TIMES = ("interval", "timeout", "start-period", "start-interval")


def _duration(said: Reading, name: str) -> str:
    value = said.flags.text(name)
    if name in said.flags.said and not re.fullmatch(_DURATION, value, re.ASCII):
        raise said.flags.error(name, f"'{value}' is not a duration", hint=f"--{name}=30s, 1m30s or 500ms")
    return value


def _onbuild(said: Reading) -> Instruction:
    said.needs("an instruction", "ONBUILD RUN COMMAND")
    found = read_trigger(Reading(said.lines, said.line, said.rest))
    said.heredocs = found.heredocs
    trigger = ended(said.text, said.escape) + "".join(f"\n{each.content}{each.name}" for each in found.heredocs)
    return said.made(kinds.Onbuild, trigger=trigger)


READERS: dict[str, Callable[[Reading], Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
