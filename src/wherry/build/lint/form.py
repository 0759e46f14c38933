"""Rules on how instructions are written, and on words that do not mean what they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    Instruction,
    Label,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from wherry.build.lint.stagenames import PLATFORM_ARGUMENTS
from wherry.build.lint.texts import keyword
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import StageView, View, literal, missing

__all__ = ["RULES"]

_ABSOLUTE = re.compile(r"/|[A-Za-z]:|\$|\"/|'/|\"\$|~")


def _workdir(view: View) -> Iterator[Found]:
    for stage in view.stages:
        absolute = any(_ABSOLUTE.match(line.path) for each in list(stage.lineage())[1:] for line in each.of(Workdir))
        for line in stage.of(Workdir):
            if _ABSOLUTE.match(line.path):
                absolute = True
            elif not absolute:
                message = f"'{line.path}' lies wherever the base image's directory happens to be"
                yield Found(view.at(line, line.path), message, f"WORKDIR /{line.path.lstrip('./')}")


def _copy_target(view: View) -> Iterator[Found]:
    for stage in view.stages:
        known = any(each.of(Workdir) for each in list(stage.lineage())[1:])
        for line in stage.instructions:
            known = known or isinstance(line, Workdir)
            if (
                isinstance(line, Copy | Add)
                and not known
                and not _ABSOLUTE.match(line.target)
                and stage.image != "scratch"
            ):
                message = f"'{line.target}' lies wherever the base image's directory happens to be"
                yield Found(view.at(line, line.target), message, "WORKDIR /DIRECTORY before it, or an absolute target")


def _copy_slash(view: View) -> Iterator[Found]:
    for stage in view.stages:
        for line in stage.instructions:
            if not isinstance(line, Copy | Add) or len(line.sources) + len(line.heredocs) < 2:
                continue
            target = literal(line.target)
            if target is not None and not target.endswith(("/", "/.", "/..")) and target not in (".", ".."):
                message = f"several files are copied to '{target}', which does not end in '/'"
                yield Found(view.at(line, line.target), message, f"{target}/")


_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(\w+))?")


def _ports(view: View) -> Iterator[tuple[Expose, str, str]]:
    for stage in view.stages:
        for line in stage.of(Expose):
            for port in line.ports:
                value = literal(port)
                if value:
                    yield line, port, value


def _port_range(view: View) -> Iterator[Found]:
    for line, word, value in _ports(view):
        numbers = re.findall(r"\d+", value.partition("/")[0].rpartition(":")[2])
        if any(len(number) > 5 or int(number) > 65535 for number in numbers):
            yield Found(view.at(line, word), f"there is no port {value}", "0 to 65535")


def _port_case(view: View) -> Iterator[Found]:
    for line, word, value in _ports(view):
        protocol = value.partition("/")[2]
        if protocol != protocol.lower():
            yield Found(view.at(line, word), f"the protocol '{protocol}' has capitals", value.lower())


def _port_form(view: View) -> Iterator[Found]:
    for line, word, value in _ports(view):
        if not _PORT.fullmatch(value):
            container = value.rpartition(":")[2]
            yield Found(view.at(line, word), f"'{value}' is not only a port of the container", container)


def _legacy(view: View) -> Iterator[Found]:
    for line in view.all:
        if isinstance(line, Env | Label) and line.legacy:
            name = "ENV" if isinstance(line, Env) else "LABEL"
            pair = line.pairs[0]
            message = f"{name} {pair.name} without '='"
            yield Found(line.position, message, f"{name} {pair.name}={_quoted(pair.value or '')}")


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s\"'\\]*", value) or value[:1] in "\"'" else '"' + value.replace('"', '\\"') + '"'


def _case(view: View) -> Iterator[Found]:
    words = [
        (line, keyword(view.recipe.lines[line.position.line - 1][line.position.column - 1 :])[0]) for line in view.all
    ]
    upper = sum(word.isupper() for _, word in words)
    lower = sum(word.islower() for _, word in words)
    for line, word in words:
        is_right = word.isupper() if upper >= lower else word.islower()
        if word and not is_right:
            other = word.upper() if upper >= lower else word.lower()
            yield Found(line.position, f"'{word}' is written in other letters than the rest", other)


def _continuation(view: View) -> Iterator[Found]:
    escape = view.recipe.directives.escape or "\\"
    for line in view.all:
        goes_on = False
        for number in range(line.position.line, min(line.last_line, len(view.recipe.lines)) + 1):
            text = view.recipe.lines[number - 1]
            if goes_on and not text.strip():
                yield Found(
                    type(line.position)(number, 1),
                    "an empty line in the middle of an instruction",
                    "take it out, or write '#'",
                )
                break
            if number > line.position.line and text.lstrip().startswith("#"):
                continue
            goes_on = text.rstrip().endswith(escape)
            if not goes_on:
                break


def _expanded(line: Instruction) -> Iterator[str]:
    """The words of an instruction in which Docker expands variables."""
    match line:
        case Arg() | Env() | Label():
            yield from (pair.value for pair in line.pairs if pair.value is not None)
        case Copy():
            yield from (*line.sources, line.target)
        case Add():
            yield from (*line.sources, line.target)
        case Workdir():
            yield line.path
        case User():
            yield line.user
        case Expose():
            yield from line.ports
        case Volume():
            yield from line.paths
        case StopSignal():
            yield line.signal
        case _:
            pass


_BUILT_IN = PLATFORM_ARGUMENTS | frozenset(
    (
        *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy"),
        *("ALL_PROXY", "all_proxy", "SOURCE_DATE_EPOCH"),
    )
)
_USUAL = frozenset(
    ("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "USER", "SHELL", "PWD", "HOSTNAME", "TERM")
)


def _undefined(view: View) -> Iterator[Found]:
    known: dict[int, set[str]] = {}
    for stage in view.stages:
        names = set(known.get(stage.parent.index, set())) if stage.parent else set()
        for line in stage.instructions:
            used = dict.fromkeys(name for word in _expanded(line) for name in missing(word))
            for name in used:
                if name not in names and name not in _BUILT_IN:
                    yield from _why(view, stage, line, name, names)
            if isinstance(line, Arg | Env):
                names.update(pair.name for pair in line.pairs)
        known[stage.index] = names


def _why(view: View, stage: StageView, line: Instruction, name: str, names: set[str]) -> Iterator[Found]:
    """The complaint about a variable that nothing here defines; what a base image defines is not known."""
    import difflib

    if name in view.defaults:
        message = f"'{name}' is empty here: an ARG before the first FROM does not reach into stages"
        yield Found(view.at(line, f"${name}"), message, f"ARG {name} in the stage")
        return
    if isinstance(line, Env) and any(pair.name == name for pair in line.pairs) and name in _USUAL:
        return
    near = difflib.get_close_matches(name, sorted(names | _USUAL), 1, 0.75) if name not in _USUAL else []
    if near:
        yield Found(view.at(line, f"${name}"), f"nothing defines '{name}' here", f"did you mean '{near[0]}'?")
    elif list(stage.lineage())[-1].image == "scratch" and name not in ("PATH",):
        yield Found(
            view.at(line, f"${name}"), f"nothing defines '{name}' here", f"ARG {name} or ENV {name}=... before it"
        )


def _same_line(view: View) -> Iterator[Found]:
    for stage in view.stages:
        names: set[str] = set()
        for line in stage.instructions:
            if isinstance(line, Env):
                new: set[str] = set()
                for pair in line.pairs:
                    for name in missing(pair.value or ""):
                        if name in new and name not in names and name != pair.name:
                            message = f"'{name}' has its new value only after this ENV"
                            yield Found(view.at(line, pair.name), message, f"ENV {pair.name}=... in a line of its own")
                    new.add(pair.name)
                names |= new
            elif isinstance(line, Arg):
                names.update(pair.name for pair in line.pairs)


def _left_out(view: View) -> Iterator[Found]:
    left_out = view.choices.left_out
    if left_out is None:
        return
    for stage in view.stages:
        for line in stage.instructions:
            if not isinstance(line, Copy | Add) or (isinstance(line, Copy) and line.from_):
                continue
            for source in line.sources:
                path = literal(source)
                if path is None or "://" in path or path.startswith("git@") or re.search(r"[*?\[]", path):
                    continue
                clean = "/".join(part for part in path.split("/") if part not in ("", "."))
                if clean and left_out(clean):
                    message = f"'{path}' is left out of the context by its ignore file"
                    yield Found(view.at(line, source), message, f"!{clean} at the end of the ignore file")


def _inline(view: View) -> Iterator[Found]:
    for number, text in view.recipe.comments:
        if re.match(r"\s*(?:hadolint|wherry\s+lint)\s+(?:global\s+)?ignore\s*=", text):
            where = view.recipe.lines[number - 1].find("#") + 1
            yield Found(
                type(view.recipe.stages[0].source.position)(number, max(where, 1)),
                "a comment turns rules off",
                "put it right",
            )


RULES = (
    Rule(
        "workdir-relative",
        ("DL3000", "WorkdirRelativePath"),
        "warning",
        "WORKDIR is relative to an unknown directory",
        "a new release of the base image may move it",
        _workdir,
    ),
    Rule(
        "copy-relative",
        ("DL3045",),
        "warning",
        "COPY goes to a directory relative to an unknown one",
        "a new release of the base image may move it",
        _copy_target,
    ),
    Rule(
        "copy-needs-slash",
        ("DL3021",),
        "error",
        "several files are copied to something that is not marked as a directory",
        "the build stops there, or one file replaces the other",
        _copy_slash,
    ),
    Rule("no-such-port", ("DL3011",), "error", "EXPOSE names no port", "ports are 0 to 65535", _port_range),
    Rule(
        "port-protocol-case",
        ("ExposeProtoCasing",),
        "info",
        "the protocol in EXPOSE has capitals",
        "some tools compare it letter by letter",
        _port_case,
    ),
    Rule(
        "port-form",
        ("ExposeInvalidFormat",),
        "warning",
        "EXPOSE says more than a port of the container",
        "addresses and ports of the host are chosen when the container is started; they are passed over here",
        _port_form,
    ),
    Rule(
        "legacy-key-value",
        ("LegacyKeyValueFormat",),
        "info",
        "ENV or LABEL is written without '='",
        "all that follows is the value, quotes and second pairs too",
        _legacy,
    ),
    Rule(
        "instruction-case",
        ("ConsistentInstructionCasing",),
        "info",
        "instructions are written in different letters",
        "readers look for instructions by their form",
        _case,
    ),
    Rule(
        "empty-continuation",
        ("NoEmptyContinuation",),
        "warning",
        "an empty line stands in the middle of an instruction",
        "builders are going to refuse it",
        _continuation,
    ),
    Rule(
        "undefined-variable",
        ("UndefinedVar",),
        "warning",
        "a variable is used that nothing defines",
        "it is empty there, without an error",
        _undefined,
    ),
    Rule(
        "env-same-line",
        ("DL3044",),
        "error",
        "ENV uses a variable that the same ENV defines",
        "all values of one ENV are computed from what was before it",
        _same_line,
    ),
    Rule(
        "copy-left-out",
        ("CopyIgnoredFile",),
        "warning",
        "COPY names a file that the ignore file leaves out",
        "the build stops with 'no such file'",
        _left_out,
    ),
    Rule(
        "inline-ignore",
        ("DL1001",),
        "info",
        "a comment turns rules off",
        "where a site wants all recipes to keep to its rules, exceptions belong into its settings",
        _inline,
        optional=True,
    ),
)
