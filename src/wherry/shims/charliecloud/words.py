"""The command line of ``ch-run``, as GNU's getopt_long reads it: options may stand behind the image too, up to ``--``;
long ones may be shortened; of an optional value only the form with an equal sign counts."""

from __future__ import annotations

import msgspec

from wherry.cli.grammar import Given, Option

__all__ = ["OPTIONS", "NotUnderstood", "Step", "read"]

OPTIONS = (
    Option(("-b", "--bind"), "mount SRC at DST (default: the same path)", "many", "SRC[:DST]"),
    Option(("-c", "--cd"), "start in DIR", "text", "DIR"),
    Option(("--env-no-expand",), "leave $ in the values of --set-env"),
    Option(("--feature",), "succeed if FEAT is there", "text", "FEAT"),
    Option(("-g", "--gid"), "appear as this group", "text", "GID"),
    Option(("-u", "--uid"), "appear as this user", "text", "UID"),
    Option(("--home",), "show the home directory at /home/$USER"),
    Option(("--no-home",), "as always"),
    Option(("-m", "--mount"), "where a SquashFS file is mounted: accepted, it is not visible inside", "text", "DIR"),
    Option(("--no-passwd",), "leave /etc/passwd and /etc/group of the image as they are"),
    Option(("--set-env",), "set variables: from the image, of FILE, or one", "many", "[FILE|NAME=VALUE]"),
    Option(("--unset-env",), "leave out variables", "many", "GLOB"),
    Option(("-s", "--storage"), "folder of ch-image", "text", "DIR"),
    Option(("-t", "--private-tmp"), "a /tmp of its own"),
    Option(("-w", "--write"), "write into the image's directory"),
    Option(("-W", "--write-fake"), "let it write, and forget it", "many", "[SIZE]"),
    Option(("-q", "--quiet"), "fewer words"),
    Option(("-v", "--verbose"), "more words"),
    Option(("--warnings",), "Charliecloud's own tests", "text", "N"),
    Option(("--usage",), "a short help"),
    Option(("-?", "--help"), "this help"),
    Option(("-V", "--version"), "the version of Charliecloud whose command line this is"),
)
REFUSED = {
    "--join": "each start is a container of its own; 'wherry exec' enters one that runs",
    "--join-ct": "each start is a container of its own",
    "--join-pid": "'wherry exec' enters a container that runs",
    "--join-tag": "each start is a container of its own",
    "--ch-ssh": "there is no ch-ssh here",
    "--seccomp": "system calls that need root are not faked; 'wherry run --userns range' gives real ids where a site "
    "has handed some out",
    "--unsafe": "it is Charliecloud's own",
    "--test": "it is Charliecloud's own",
    "--cdi": "Wherry does not prepare GPU libraries yet",
    "--devices": "Wherry does not prepare GPU libraries yet",
}
_OPTIONAL = ("set_env", "write_fake")
_SHORT_REFUSED = {"-j": "--join", "-d": "--devices"}


class NotUnderstood(Exception):
    """What getopt_long would complain about."""


class Step(msgspec.Struct, frozen=True):
    """One of ``--set-env``, ``--unset-env`` and ``--env-no-expand``, whose order counts; ``value`` None: not given."""

    key: str
    value: str | None = None


class Line(Given, frozen=True):
    """``words`` are image and command, ``steps`` what is done to the variables. ``prefix`` is all up to ``--``."""

    steps: tuple[Step, ...] = ()


def read(words: list[str]) -> Line:
    """What the command line says; raises :class:`NotUnderstood` and :class:`UsageError` for what is refused."""
    options: dict[str, bool | str | tuple[str, ...]] = {}
    steps: list[Step] = []
    plain: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            prefix = tuple(words[:position]) if plain and len(plain) == 1 else ()
            return Line(options, (*plain, *words[position:]), prefix, steps=tuple(steps))
        if word[:1] != "-" or word == "-":
            plain.append(word)
        elif word[:2] == "--":
            name, equals, value = word.partition("=")
            option = _long(name)
            if option.kind == "flag":
                if equals:
                    raise NotUnderstood(f"option '{name}' doesn't allow an argument")
                _keep(option, None, options, steps)
            elif equals or option.key in _OPTIONAL:
                _keep(option, value if equals else None, options, steps)
            else:
                _keep(option, _next(words, position, f"option '{name}'"), options, steps)
                position += 1
        else:
            position = _letters(word, words, position, options, steps)
    return Line(options, tuple(plain), (), steps=tuple(steps))


def _letters(
    word: str, words: list[str], position: int, options: dict[str, bool | str | tuple[str, ...]], steps: list[Step]
) -> int:
    for index, letter in enumerate(word[1:], 2):
        name = f"-{letter}"
        if name in _SHORT_REFUSED:
            _refuse(_SHORT_REFUSED[name], name)
        option = next((option for option in OPTIONS if name in option.names), None)
        if option is None:
            raise NotUnderstood(f"invalid option -- '{letter}'")
        rest = word[index:]
        if option.kind == "flag":
            _keep(option, None, options, steps)
            continue
        if rest or option.key in _OPTIONAL:
            _keep(option, rest or None, options, steps)
            return position
        _keep(option, _next(words, position, f"option requires an argument -- '{letter}'"), options, steps)
        return position + 1
    return position


def _long(name: str) -> Option:
    table = {spelled: option for option in OPTIONS for spelled in option.names if spelled[:2] == "--"}
    if name in table:
        return table[name]
    if name in REFUSED:
        _refuse(name, name)
    near = sorted({spelled for spelled in (*table, *REFUSED) if spelled.startswith(name)})
    if len(near) > 1:
        raise NotUnderstood(f"option '{name}' is ambiguous; possibilities: {' '.join(near)}")
    if not near:
        raise NotUnderstood(f"unrecognized option '{name}'")
    if near[0] in REFUSED:
        _refuse(near[0], name)
    return table[near[0]]


def _refuse(name: str, spelled: str) -> None:
    from wherry.base.errors import UsageError

    raise UsageError(f"'{spelled}' cannot be honoured", why=REFUSED[name], hint="leave it out")


def _next(words: list[str], position: int, what: str) -> str:
    if position == len(words):
        raise NotUnderstood(f"{what} requires an argument" if "requires" not in what else what)
    return words[position]


def _keep(
    option: Option, value: str | None, options: dict[str, bool | str | tuple[str, ...]], steps: list[Step]
) -> None:
    if option.key in ("set_env", "unset_env", "env_no_expand"):
        steps.append(Step(option.key, value))
    elif option.kind == "flag" or option.key == "write_fake":
        options[option.key] = True
    elif option.kind == "many":
        before = options.get(option.key, ())
        options[option.key] = (*before, value or "") if isinstance(before, tuple) else (value or "",)
    else:
        options[option.key] = value or ""
