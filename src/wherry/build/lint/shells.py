"""Rules on what shells make of a step: pipes, lost failures, effects that end with the step."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Cmd, Entrypoint, Shell
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import Command, RunView, View

__all__ = ["RULES"]

_HARMLESS = frozenset(
    (
        *(
            "set",
            "export",
            ":",
            "true",
            "echo",
            "printf",
            "unset",
            "shift",
            "trap",
            "umask",
            "alias",
            "shopt",
            "readonly",
        ),
        *("local", "exit", "return", "break", "continue", "wait", "sync", "sleep", "date", "ls", "pwd", "id", "hash"),
    )
)
_NEVER_FAIL = frozenset(("echo", "printf", "yes", "true", ":"))
_POINTLESS = frozenset(
    (
        "ssh",
        "vim",
        "vi",
        "nano",
        "emacs",
        "shutdown",
        "reboot",
        "service",
        "ps",
        "free",
        "top",
        "htop",
        "mount",
        "umount",
        "ifconfig",
        "systemctl",
    )
)


def _is_set(run: RunView, option: str, letter: str = "") -> bool:
    """Whether an option is on (``pipefail``; ``errexit`` and its letter), by SHELL, ``set`` or ``bash -e``."""
    if option in run.shell or any(letter and re.fullmatch(rf"-[a-z]*{letter}[a-z]*", word) for word in run.shell[1:]):
        return True
    for command in run.commands:
        if command.call.name in ("set", "bash", "sh", "dash", "ash", "zsh"):
            for word in command.call.arguments:
                if word == option or (
                    letter and re.fullmatch(rf"-[a-z]*{letter}[a-z]*", word) and command.call.name == "set"
                ):
                    return True
    first = run.run.heredocs[0].content.partition("\n")[0] if run.run.heredocs else ""
    return first.startswith("#!") and bool(letter) and bool(re.search(rf" -[a-z]*{letter}", first))


def _pipes(view: View) -> Iterator[Found]:
    hint = 'SHELL ["/bin/bash", "-o", "pipefail", "-c"] before it; or a file in place of the pipe'
    for run in view.runs:
        if _is_set(run, "pipefail"):
            continue
        for pipeline in run.pipelines():
            *before, last = pipeline
            may_fail = [each for each in before if each.call.name not in ("", *_NEVER_FAIL)]
            if may_fail and not last.call.nested and not _is_question(last):
                message = f"a failure of '{may_fail[0].call.name}' before the pipe goes unnoticed"
                yield Found(may_fail[0].position, message, hint)
                break


def _is_question(last: Command) -> bool:
    """Whether a pipeline ends in ``|| ...`` or ``grep -q``: then its failure is meant."""
    return last.call.after == "||" or (last.call.name in ("grep", "egrep") and "-q" in last.call.arguments)


def _unnoticed(view: View) -> Iterator[Found]:
    for run in view.runs:
        if _is_set(run, "errexit", "e"):
            continue
        own = [command for command in run.commands if not command.call.nested]
        for command in own[:-1]:
            call = command.call
            if (
                call.after not in (";", "\n")
                or call.depth
                or not call.words
                or call.name in _HARMLESS
                or call.before == "||"
            ):
                continue
            message = f"a failure of '{call.name}' goes unnoticed: only the last command's counts"
            hint = "join commands by '&&', or begin with 'set -e'"
            yield Found(command.position, message, hint, "SC2164" if call.name == "cd" else "")
            break


def _lost(view: View) -> Iterator[Found]:
    for run in view.runs:
        own = [command for command in run.commands if not command.call.nested]
        if not own or own[-1].call.depth or own[-1].script != own[0].script:
            continue
        # bash -c "source activate x" changes nothing but that shell.
        last = run.commands[-1] if own[-1].call.name in ("bash", "sh") else own[-1]
        effect, hint = _effect(last)
        if effect:
            yield Found(last.position, f"{effect} ends with this step", hint)


def _effect(command: Command) -> tuple[str, str]:
    call, name = command.call, command.call.name
    if call.redirects or call.before in ("|", "||"):
        return "", ""
    if name == "cd":
        return "the change of directory", f"WORKDIR {' '.join(call.arguments) or '...'}"
    if name == "export" and call.arguments and call.arguments[0][:1] != "-":
        return f"the variable '{call.arguments[0].partition('=')[0]}'", "ENV NAME=VALUE"
    if not call.words and call.assignments:
        return f"the variable '{call.assignments[0].text.partition('=')[0]}'", "ENV NAME=VALUE"
    if name in ("conda", "mamba", "micromamba") and call.arguments[:1] == ("activate",):
        return "the activation", "ENV PATH=/PREFIX/envs/NAME/bin:$PATH, or 'conda run -n NAME ...' in each step"
    if name in ("source", ".") and call.arguments and "activate" in call.arguments[0]:
        return "the activation", "ENV PATH=/PREFIX/bin:$PATH"
    if name in ("module", "ml", "spack") and call.arguments[:1] == ("load",):
        return "what is loaded", "load it in the RUN that needs it, or ENV NAME=VALUE"
    if name in ("ulimit", "umask", "alias"):
        return f"what '{name}' sets", "say it in the RUN that needs it"
    return "", ""


def _directories(view: View) -> Iterator[Found]:
    for run in view.runs:
        first = next((command for command in run.commands if command.call.name not in ("", "set")), None)
        if (
            first
            and first.call.name == "cd"
            and first.call.after == "&&"
            and not first.call.nested
            and not first.call.depth
        ):
            target = " ".join(first.call.arguments)
            if target.startswith("/"):
                yield Found(first.position, f"the step begins with 'cd {target}'", f"WORKDIR {target}")


def _pointless(view: View) -> Iterator[Found]:
    for command in view.commands:
        if command.call.words and command.call.words[0].text in _POINTLESS:
            message = f"'{command.call.name}' means nothing in a build step"
            yield Found(command.position, message, "leave it out")


def _default_shell(view: View) -> Iterator[Found]:
    for run in view.runs:
        for command in run.called("ln", "dpkg-reconfigure", "chsh", "usermod"):
            words = command.call.arguments
            if (command.call.name == "ln" and words and words[-1] in ("/bin/sh", "/usr/bin/sh")) or (
                command.call.name == "dpkg-reconfigure" and "dash" in words
            ):
                message = "the image's /bin/sh is replaced"
                yield Found(command.position, message, 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]')


def _forms(view: View) -> Iterator[Found]:
    for stage in view.stages:
        shells = [line for each in stage.lineage() for line in each.of(Shell)]
        for instruction in stage.instructions:
            if isinstance(instruction, Cmd | Entrypoint) and instruction.command.words is None and not shells:
                name = "CMD" if isinstance(instruction, Cmd) else "ENTRYPOINT"
                words = instruction.command.text.split()
                simple = not re.search(r"[$;&|<>*?`\"'\\]", instruction.command.text)
                hint = (
                    f"{name} [" + ", ".join(f'"{word}"' for word in words) + "]"
                    if simple
                    else f'{name} ["PROGRAM", "ARGUMENT"]'
                )
                message = f"{name} is run by a shell, which passes no signals on"
                yield Found(instruction.position, message, hint)


RULES = (
    Rule(
        "pipe-without-pipefail",
        ("DL4006",),
        "warning",
        "a failure before a pipe goes unnoticed",
        "the status of a pipeline is that of its last command: the build goes on with half a file",
        _pipes,
    ),
    Rule(
        "unnoticed-failure",
        ("SC2164",),
        "warning",
        "a command's failure goes unnoticed",
        "after ';' the shell goes on, and the step succeeds if only its last command does",
        _unnoticed,
    ),
    Rule(
        "effect-lost",
        (),
        "warning",
        "a step's effect ends with the step",
        "each RUN has a shell of its own: directory, variables and an activated environment do not reach the next one",
        _lost,
    ),
    Rule(
        "cd-for-workdir",
        ("DL3003",),
        "info",
        "a step changes to a directory before all else",
        "WORKDIR makes the directory, says it where readers look, and holds for the steps after it",
        _directories,
    ),
    Rule(
        "pointless-command",
        ("DL3001",),
        "info",
        "a command means nothing in a build",
        "there is no terminal, no init and no other process in a build step",
        _pointless,
    ),
    Rule(
        "shell-replaced",
        ("DL4005",),
        "warning",
        "the image's /bin/sh is replaced",
        "scripts of packages were tested with the distribution's own; SHELL changes the one of the steps",
        _default_shell,
    ),
    Rule(
        "shell-form",
        ("DL3025", "JSONArgsRecommended"),
        "warning",
        "CMD or ENTRYPOINT is a line for a shell",
        "the shell is process 1 and passes no signals on: 'stop' waits, then kills, and no output is saved",
        _forms,
    ),
)
