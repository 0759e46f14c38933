"""A Dockerfile's text to its instructions. Whatever is wrong is a :class:`RecipeError` with line and column."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.build.dockerfile import instructions as kinds
from wherry.build.dockerfile.errors import RecipeError, nearest
from wherry.build.dockerfile.expansion import Unreadable, check
from wherry.build.dockerfile.flags import Flags, read_flags
from wherry.build.dockerfile.instructions import Arg, Command, From, Heredoc, Instruction, Pair, Recipe, Stage
from wherry.build.dockerfile.lines import BLANKS, SPACES, Lines, Logical, ended
from wherry.build.dockerfile.words import Word, exec_form, first_word, flag_words, heredocs_in, quoted_words, words

__all__ = ["decode", "parse", "parse_trigger"]

_STAGE_NAME = r"[a-z][a-z0-9_.-]*"
_DURATION = r"0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+"


def decode(data: bytes, name: str = "Dockerfile") -> str:
    """The text of a file; bytes that are no UTF-8 are kept: comments may have them, :func:`parse` refuses others."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = f"iconv -f utf-16 -t utf-8 {name} makes UTF-8 of it"
        raise RecipeError(f"{name} is UTF-16, not UTF-8", hint=hint)
    return data.decode("utf-8", "surrogateescape")


def parse(text: str, name: str = "Dockerfile") -> Recipe:
    """The recipe that ``text`` is; ``name`` is for messages. Raises :class:`RecipeError`."""
    shown: tuple[str, ...] = ()
    try:
        lines = Lines(text)
        shown = lines.lines
        directives = lines.directives()
        args, stages = _stages(lines)
    except RecipeError as error:
        raise error.within(name, shown) from None
    return Recipe(name, lines.lines, directives, args, stages, tuple(lines.comments))


def parse_trigger(text: str, escape: str = "\\") -> Instruction:
    """The instruction that an ONBUILD keeps in an image; raises :class:`RecipeError`."""
    lines = Lines(text, escape)
    try:
        line = lines.read()
        if line is None:
            raise RecipeError("a trigger that says nothing", kinds.Position(1))
        found = _Reading(lines, line, 0, trigger=True).instruction()
        more = lines.read()
        if more is not None:
            raise more.error(0, "a trigger is one instruction", hint="write an ONBUILD for each")
    except RecipeError as error:
        raise error.within("ONBUILD", lines.lines) from None
    return found


def _stages(lines: Lines) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    said = False
    while (line := lines.read()) is not None:
        found = _Reading(lines, line, 0, first=not said).instruction()
        said = True
        if isinstance(found, From):
            stages.append((found, []))
        elif stages:
            stages[-1][1].append(found)
        elif isinstance(found, Arg):
            args.append(found)
        else:
            name = type(found).__struct_config__.tag
            why = "only ARG may stand before the first FROM"
            raise RecipeError(
                f"{name} before FROM", found.position, why=why, hint="begin with FROM IMAGE, or FROM scratch"
            )
    if not stages:
        what = "the recipe has no FROM" if said else "the recipe has no instructions"
        raise RecipeError(what, kinds.Position(max(len(lines.lines), 1)), hint="begin with FROM IMAGE, or FROM scratch")
    return tuple(args), tuple(Stage(source, tuple(found)) for source, found in stages)


class _Reading:
    """One instruction of a logical line, which begins at ``start``: for ONBUILD's that is not the line's beginning."""

    def __init__(self, lines: Lines, line: Logical, start: int, *, trigger: bool = False, first: bool = False) -> None:
        self.lines = lines
        self.line = line
        self.escape = lines.escape
        self.start = _skipped(line.text, start)
        self.word = first_word(line.text, self.start)
        self.name = self.word.upper()
        self.trigger = trigger
        self.first = first
        self.rest = 0
        self.heredocs: tuple[Heredoc, ...] = ()
        self.flags = Flags(line, {})

    def instruction(self) -> Instruction:
        read = _READERS.get(self.name)
        if read is None:
            raise self._unknown()
        if self.trigger and self.name in ("ONBUILD", "FROM", "MAINTAINER"):
            raise self.error(self.start, f"{self.name} cannot be a trigger of ONBUILD")
        found, self.rest = flag_words(self.line, self.start + len(self.word))
        self.flags = read_flags(self.line, self.name, found)
        return read(self)

    def made(self, kind: Callable[..., Instruction], **fields: Any) -> Instruction:
        """An instruction of that kind, with what all have."""
        return kind(
            position=self.line.position(self.start),
            last_line=self.lines.last_line,
            text=self.line.text[self.start :],
            heredocs=self.heredocs,
            **fields,
        )

    def error(self, offset: int, what: str, *, why: str = "", hint: str = "") -> RecipeError:
        return self.line.error(min(offset, len(self.line.text)), what, why=why, hint=hint)

    @property
    def text(self) -> str:
        """All after the flags."""
        return self.line.text[self.rest :]

    def needs(self, what: str, hint: str) -> None:
        if not self.text:
            raise self.error(self.start, f"{self.name} needs {what}", hint=hint)

    def checked(self, word: Word) -> str:
        """The word, if its quotes and braces are right; it is given a value later."""
        try:
            check(word.text, self.escape)
        except Unreadable as error:
            hint = "write \\$ for the character itself" if "'{'" in error.what else ""
            raise self.error(word.offset + error.offset, error.what, hint=hint) from None
        return word.text

    def flag(self, name: str) -> str:
        """A flag's value, which is a word."""
        value = self.flags.text(name)
        try:
            check(value, self.escape)
        except Unreadable as error:
            raise self.flags.error(name, f"cannot read '--{name}={value}'", why=error.what) from None
        return value

    def find_heredocs(self) -> list[tuple[int, int]]:
        """Take the contents of this line's heredocs from the lines that follow; where each word begins and ends."""
        found = heredocs_in(self.line.text, self.rest)
        taken = []
        for heredoc, begin, _ in found:
            whole = self.lines.heredoc(heredoc)
            if whole is None:
                tail = re.split(r"[>|;&)]", heredoc.name)[0]
                hint = f"end it with a line that is {heredoc.name}"
                if tail != heredoc.name:
                    hint = f"put a blank after {tail}: its name goes on to the next blank" if tail else hint
                elif heredoc.name.isdigit():
                    hint = f"if it is a shift in arithmetic, write it without blanks: 1<<{heredoc.name}"
                raise self.error(begin, f"the heredoc '{heredoc.name}' has no end", hint=hint)
            taken.append(whole)
        self.heredocs = tuple(taken)
        return [(begin, end) for _, begin, end in found]

    def _unknown(self) -> RecipeError:
        plain = re.match(r"[A-Za-z]+", self.word)
        if plain and len(self.word) > len(plain[0]) and self.word[len(plain[0])] in SPACES:
            why = "a blank that is no ordinary one (a no-break space) follows it"
            return self.error(self.start + len(plain[0]), f"unknown instruction '{self.word[:64]}'", why=why)
        near = nearest(self.name, _READERS)
        hint = f"did you mean '{near}'?" if near else ""
        if not near and not self.first:
            hint = f"if this goes on from the line above, end that one with {self.escape}"
        return self.error(self.start, f"unknown instruction '{self.word[:64]}'", hint=hint)


def _skipped(text: str, start: int) -> int:
    while start < len(text) and text[start] in SPACES:
        start += 1
    return start


def _from(said: _Reading) -> Instruction:
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


def _arg(said: _Reading) -> Instruction:
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


def _pairs(said: _Reading, kind: type[kinds.Env] | type[kinds.Label]) -> Instruction:
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


def _env(said: _Reading) -> Instruction:
    return _pairs(said, kinds.Env)


def _label(said: _Reading) -> Instruction:
    return _pairs(said, kinds.Label)


def _command(said: _Reading, hint: str) -> Command:
    said.needs("a command", hint)
    found = exec_form(said.line, said.rest)
    return Command(found) if found is not None else Command(None, said.text)


def _run(said: _Reading) -> Instruction:
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


def _mounts(said: _Reading) -> tuple[kinds.Mount, ...]:
    if not said.flags.many("mount"):
        return ()
    from wherry.build.dockerfile.mounts import read_mount

    return tuple(read_mount(said.line, word, said.escape) for word in said.flags.many("mount"))


def _cmd(said: _Reading) -> Instruction:
    command = _command(said, 'CMD ["PROGRAM", "ARGUMENT"]; CMD [] takes an inherited one away')
    return said.made(kinds.Cmd, command=command)


def _entrypoint(said: _Reading) -> Instruction:
    command = _command(said, 'ENTRYPOINT ["PROGRAM", "ARGUMENT"]; ENTRYPOINT [] takes an inherited one away')
    return said.made(kinds.Entrypoint, command=command)


def _shell(said: _Reading) -> Instruction:
    found = exec_form(said.line, said.rest)
    if not found:
        raise said.error(said.rest, "SHELL needs a list of words", hint='SHELL ["/bin/bash", "-c"]')
    return said.made(kinds.Shell, words=found)


def _paths(said: _Reading) -> tuple[tuple[str, ...], str]:
    """Sources and target of COPY and ADD; a heredoc among the sources is in :attr:`_Reading.heredocs`."""
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


def _listed(said: _Reading) -> tuple[str, ...] | None:
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


def _copy(said: _Reading) -> Instruction:
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


def _add(said: _Reading) -> Instruction:
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


def _ownership(said: _Reading) -> dict[str, Any]:
    return {
        "chown": said.flag("chown"),
        "chmod": said.flag("chmod"),
        "link": said.flags.switch("link") or False,
        "exclude": tuple(word.text for word in said.flags.many("exclude")),
    }


def _word(said: _Reading, what: str, hint: str) -> str:
    """All that is left is one word, blanks included."""
    said.needs(what, hint)
    return said.checked(Word(said.text, said.rest))


def _workdir(said: _Reading) -> Instruction:
    return said.made(kinds.Workdir, path=_word(said, "a directory", "WORKDIR /PATH"))


def _user(said: _Reading) -> Instruction:
    return said.made(kinds.User, user=_word(said, "a user", "USER NAME or USER NAME:GROUP"))


def _stop_signal(said: _Reading) -> Instruction:
    signal = _word(said, "a signal", "STOPSIGNAL SIGTERM")
    return said.made(kinds.StopSignal, signal=signal)


def _maintainer(said: _Reading) -> Instruction:
    said.needs("a name", "LABEL org.opencontainers.image.authors=NAME")
    return said.made(kinds.Maintainer, name=said.text)


def _expose(said: _Reading) -> Instruction:
    said.needs("a port", "EXPOSE 8080 or EXPOSE 53/udp")
    ports = tuple(said.checked(word) for word in words(said.line.text, said.rest))
    return said.made(kinds.Expose, ports=ports)


def _volume(said: _Reading) -> Instruction:
    found = _listed(said)
    if found is None:
        found = tuple(said.checked(word) for word in words(said.line.text, said.rest))
    if not found or not all(path.strip(SPACES) for path in found):
        raise said.error(said.start, "VOLUME needs a path", hint='VOLUME /PATH or VOLUME ["/PATH"]')
    return said.made(kinds.Volume, paths=found)


def _healthcheck(said: _Reading) -> Instruction:
    hint = "HEALTHCHECK CMD COMMAND or HEALTHCHECK NONE"
    said.needs("a command", hint)
    kind = first_word(said.line.text, said.rest)
    after = _skipped(said.line.text, said.rest + len(kind))
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


def _duration(said: _Reading, name: str) -> str:
    value = said.flags.text(name)
    if name in said.flags.said and not re.fullmatch(_DURATION, value, re.ASCII):
        raise said.flags.error(name, f"'{value}' is not a duration", hint=f"--{name}=30s, 1m30s or 500ms")
    return value


def _onbuild(said: _Reading) -> Instruction:
    said.needs("an instruction", "ONBUILD RUN COMMAND")
    found = _Reading(said.lines, said.line, said.rest, trigger=True).instruction()
    said.heredocs = found.heredocs
    trigger = ended(said.text, said.escape) + "".join(f"\n{each.content}{each.name}" for each in found.heredocs)
    return said.made(kinds.Onbuild, trigger=trigger)


_READERS: dict[str, Callable[[_Reading], Instruction]] = {
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
