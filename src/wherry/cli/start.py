"""From what was given to :class:`~wherry.launch.options.RunOptions`: the forms of Docker's values."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TypeVar

from wherry.base.errors import UsageError, reason, remedy
from wherry.base.outside import Outside
from wherry.cli.grammar import Given
from wherry.containers import amounts, binding
from wherry.launch.options import Bind, RunOptions, Ulimit

__all__ = ["environment", "run_options"]

LIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
    *("rtprio", "rttime", "sigpending", "stack"),
)


_Number = TypeVar("_Number", int, float)


def run_options(given: Given, outside: Outside, *, shell: bool = False) -> RunOptions:
    """The options of ``run``, ``create`` and ``shell``; raise :class:`UsageError` for a value of a wrong form."""
    if given.words[:1] == ("",) and given.prefix[-1:] != ("--",):
        raise UsageError("the image's name is empty", hint="is a variable of your shell unset?")
    mounts = _mounts(given, outside)
    memory = _amount(given, "memory", amounts.memory)
    return RunOptions(
        image=given.words[0] if given.words else "",
        command=_command(given.words),
        entrypoint=_entrypoint(given.text("entrypoint")),
        env=environment(given, outside),
        binds=mounts[0],
        tmpfs=mounts[1],
        workdir=_absolute_inside(given.text("workdir")),
        user=_not_empty(given, "user"),
        group_add=given.many("group_add"),
        hostname=_not_empty(given, "hostname"),
        network=given.text("network"),
        here=_said(given, "here"),
        home=_said(given, "home"),
        hostauth=given.flag("hostauth"),
        interactive=given.flag("interactive"),
        terminal=given.flag("tty"),
        detach=given.flag("detach"),
        remove=given.flag("rm"),
        name=_not_empty(given, "name"),
        cidfile=_absolute(given.text("cidfile"), outside),
        labels=tuple(_label(text) for text in given.many("label")),
        read_only=given.flag("read_only"),
        ulimits=tuple(_ulimit(text) for text in given.many("ulimit")),
        stop_signal=_signal(given.text("stop_signal")),
        preserve_fds=_descriptors(given.many("preserve_fd")),
        seccomp=_seccomp(given.many("security_opt"), outside),
        pull=given.text("pull"),
        platform=_not_empty(given, "platform"),
        memory=memory,
        memory_swap=_amount(given, "memory_swap", lambda text: amounts.memory_and_swap(text, memory)),
        cpus=_amount(given, "cpus", amounts.processors),
        pids_limit=_amount(given, "pids_limit", amounts.processes),
        engine=_not_empty(given, "engine"),
        userns=_not_empty(given, "userns"),
        fakeroot=given.flag("fakeroot"),
        copy=given.flag("writable_copy"),
        installed=given.flag("installed"),
        shell=shell,
    )


def environment(given: Given, outside: Outside) -> tuple[str, ...]:
    """The lines of the files named by ``--env-file``, then the values of ``-e``; later ones win."""
    entries: list[str] = []
    for path in given.many("env_file"):
        entries += _environment_file(path, outside)
    for text in given.many("env"):
        if not text or text.startswith("="):
            raise UsageError(f"'-e {text}' names no variable", hint="-e NAME=VALUE, or -e NAME for the caller's value")
        entries.append(text)
    return tuple(entries)


def _environment_file(path: str, outside: Outside) -> list[str]:
    absolute = _absolute(path, outside) or path
    try:
        content = outside.read(absolute)
    except OSError as error:
        raise UsageError(f"cannot read '{path}'", why=reason(error), hint=remedy(error)) from None
    if content is None:
        raise UsageError(f"cannot read '{path}'", why="there is no such file", hint="check the spelling")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read '{path}'", why=f"it is not UTF-8 text ({error.reason})") from None
    entries = []
    for number, line in enumerate(lines, 1):
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        name = text.partition("=")[0]
        if not name or " " in name or "\t" in name:
            why = f"'{name}' is not a variable's name" if name else "a variable's name is missing before '='"
            raise UsageError(f"'{path}', line {number}", why=why, hint="write NAME=VALUE, without 'export' and quotes")
        entries.append(text)
    return entries


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    command = words[1:]
    return command[1:] if words[:1] != ("",) and command[:1] == ("--",) else command


def _mounts(given: Given, outside: Outside) -> tuple[tuple[Bind, ...], tuple[tuple[str, str], ...]]:
    bound = [binding.volume(text, outside) for text in given.many("volume")]
    memory = [binding.tmpfs(text) for text in given.many("tmpfs")]
    for text in given.many("mount"):
        made = binding.mount(text, outside)
        if isinstance(made, Bind):
            bound.append(made)
        else:
            memory.append(made)
    binding.check_targets(tuple(bound), tuple(memory))
    return tuple(bound), tuple(memory)


def _said(given: Given, key: str) -> bool | None:
    yes, no = given.flag(key), given.flag(f"no_{key}")
    if yes and no:
        raise UsageError(f"'--{key}' and '--no-{key}' exclude each other", hint="leave one of them out")
    return True if yes else False if no else None


def _entrypoint(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return (text,) if text else ()


def _not_empty(given: Given, key: str) -> str | None:
    value = given.text(key)
    if value == "":
        raise UsageError(f"'--{key}' is empty", hint="is a variable of your shell unset?")
    return value


def _absolute_inside(path: str | None) -> str | None:
    if path is not None and not path.startswith("/"):
        raise UsageError(
            f"'-w {path}' is not an absolute path in the container",
            hint="--here starts in the current directory; -w takes a path as /work",
        )
    return path


def _absolute(path: str | None, outside: Outside) -> str | None:
    if path is None or path.startswith("/"):
        return path
    return posixpath.normpath(posixpath.join(outside.cwd(), path))


def _amount(given: Given, key: str, read: Callable[[str], _Number]) -> _Number | None:
    text = _not_empty(given, key)
    return None if text is None else read(text)


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name:
        raise UsageError(f"'--label {text}' names no label", hint="--label NAME=VALUE")
    return name, value


def _ulimit(text: str) -> Ulimit:
    name, equals, values = text.partition("=")
    what = f"'--ulimit {text}' is not a limit"
    if name not in LIMITS or not equals:
        raise UsageError(
            what, why="" if equals else "a value is missing", hint=f"NAME=SOFT[:HARD], NAME one of {', '.join(LIMITS)}"
        )
    soft, colon, hard = values.partition(":")
    numbers = [_limit(what, value) for value in ((soft, hard) if colon else (soft, soft))]
    if numbers[1] != -1 and (numbers[0] == -1 or numbers[0] > numbers[1]):
        raise UsageError(what, why="the soft limit is above the hard one", hint=f"--ulimit {name}={hard}:{hard}")
    return Ulimit(name, numbers[0], numbers[1])


def _limit(what: str, text: str) -> int:
    if text in ("-1", "unlimited"):
        return -1
    if not (text.isascii() and text.isdigit()):
        raise UsageError(what, why=f"'{text}' is not a number", hint="bytes or a count; -1 is unlimited")
    return int(text)


def _signal(text: str | None) -> str | None:
    if text is None:
        return None
    from wherry.containers import signal_name

    return signal_name(text)


def _descriptors(texts: tuple[str, ...]) -> tuple[int, ...]:
    numbers = []
    for text in ",".join(texts).split(",") if texts else ():
        if not (text.isascii() and text.isdigit()):
            raise UsageError(f"'--preserve-fd {text}' is not a file descriptor's number", hint="--preserve-fd 5,6")
        numbers.append(int(text))
    return tuple(numbers)


def _seccomp(texts: tuple[str, ...], outside: Outside) -> str | None:
    chosen = None
    for text in texts:
        name, _, value = text.replace(":", "=", 1).partition("=") if "=" not in text else text.partition("=")
        if name == "seccomp" and value:
            chosen = value if value == "unconfined" else _absolute(value, outside)
        elif name != "no-new-privileges" or value not in ("", "true"):
            raise _security_option(text, name)
    return chosen


def _security_option(text: str, name: str) -> UsageError:
    why = ""
    if name == "no-new-privileges":
        why = "a container can never gain privileges, set-id programs included"
    elif name in ("label", "apparmor", "systempaths"):
        why = "an unprivileged user cannot choose the host's security labels; what confines you confines the container"
    return UsageError(
        f"'--security-opt {text}' is not possible", why=why, hint="seccomp=FILE, seccomp=unconfined, no-new-privileges"
    )
