"""One verb as data, and the reading of its words; what is not honoured is said or refused here, by its table."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.parse import NotUnderstood, parse
from wherry.shims.docker.call import Call
from wherry.shims.docker.failing import BadFlag

__all__ = ["FLAG", "MANY", "TEXT", "Asked", "Command", "done", "read"]

FLAG, TEXT, MANY = "flag", "text", "many"


class Asked(msgspec.Struct, frozen=True):
    """An option of the peer's and what becomes of it here.

    ``fate``: ``done`` (honoured), ``idle`` (nothing is to be done for it), ``note`` (accepted, and ``why`` is said),
    ``refused`` (with ``why`` and ``hint``). ``only`` names the peer that has it, empty for both.
    """

    names: tuple[str, ...]
    kind: str = FLAG
    fate: str = "done"
    why: str = ""
    hint: str = ""
    only: str = ""

    @property
    def option(self) -> Option:
        return Option(self.names, self.why, self.kind, empty=True)


class Command(msgspec.Struct, frozen=True):
    """A verb. ``most`` is how many words it takes, -1 for any number; ``stops``: options end at the first word."""

    run: Callable[[Call, Given], int]
    usage: str
    summary: str
    options: tuple[Asked, ...] = ()
    least: int = 0
    most: int = 0
    stops: bool = False


def done(*names: str, kind: str = FLAG, only: str = "") -> Asked:
    """An option that is honoured."""
    return Asked(names, kind, only=only)


def read(call: Call, command: Command, words: list[str]) -> Given | None:
    """What ``words`` say; None when they asked for help and got it. Raise :class:`UsageError` by name."""
    asked = [option for option in command.options if option.only in ("", call.face)]
    verb = Verb(call.verb, command.summary, _unused, tuple(option.option for option in asked), stops=command.stops)
    try:
        given = parse(verb, words, equals=True)
    except NotUnderstood as error:
        _explain(call, command, asked, error.option, words)
        return None
    given = _past_dashes(given, command)
    if len(given.words) < command.least or 0 <= command.most < len(given.words):
        raise _wrong_number(call, command)
    for option in asked:
        if option.option.key in given.options:
            _judge(call, option)
    return given


def _unused(given: Given) -> int:
    raise AssertionError(given)


def _past_dashes(given: Given, command: Command) -> Given:
    """``run [OPTIONS] -- IMAGE COMMAND``: the dashes only end the options."""
    if not command.stops or given.words[:1] != ("",) or given.prefix[-1:] != ("--",):
        return given
    return Given(given.options, given.words[1:], (*given.prefix, *given.words[1:2]) if len(given.words) > 1 else ())


def _judge(call: Call, option: Asked) -> None:
    shown = max(option.names, key=len)
    if option.fate == "note":
        call.note(f"'{shown}' has no effect: {option.why}")
    elif option.fate == "refused":
        raise UsageError(f"'{call.face} {call.verb}' cannot do '{shown}' here", why=option.why, hint=option.hint)


def _wrong_number(call: Call, command: Command) -> UsageError:
    if command.most == command.least:
        wants = (
            f"exactly {command.least} argument{'' if command.least == 1 else 's'}" if command.least else "no arguments"
        )
    elif command.least:
        wants = f"at least {command.least} argument{'' if command.least == 1 else 's'}"
    else:
        wants = f"at most {command.most} argument{'' if command.most == 1 else 's'}"
    what = f'"{call.face} {call.verb}" ' + (f"accepts {wants}" if wants == "no arguments" else f"requires {wants}")
    return UsageError(what, hint=f"{call.face} {call.verb} {command.usage}".rstrip())


def _explain(call: Call, command: Command, asked: list[Asked], unknown: str, words: list[str]) -> None:
    if unknown == "--help" or (unknown == "-h" and "-h" in words):
        show_help(call, command, asked)
        return
    if unknown:
        spelled = f"unknown flag: {unknown}" if unknown.startswith("--") else f"unknown shorthand flag: '{unknown[1:]}'"
        import difflib

        known = [name for option in asked for name in option.names]
        near = difflib.get_close_matches(unknown, known, 1, 0.7)
        raise BadFlag(spelled, hint=f"did you mean '{near[0]}'?" if near else f"{call.face} {call.verb} --help")
    raise BadFlag(f"'{call.face} {call.verb}': an option lacks its value, or has a wrong one", hint="--help")


def show_help(call: Call, command: Command, asked: list[Asked]) -> None:
    """The usage line and the options, in Docker's arrangement."""
    from wherry.cli.listing import table

    print(f"Usage:  {call.face} {call.verb} {command.usage}\n\n{command.summary}")
    if not asked:
        return
    kinds = {FLAG: "", TEXT: " VALUE", "number": " NUMBER", MANY: " VALUE (may be given several times)"}
    rows = [
        ["  " + ", ".join(option.names) + kinds[option.kind], _fate(option)]
        for option in sorted(asked, key=lambda option: option.names[-1])
    ]
    print("\nOptions:\n" + table(rows, ["", ""]).lstrip("\n"))


def _fate(option: Asked) -> str:
    return {"done": "", "idle": "accepted"}.get(
        option.fate, f"{'no effect' if option.fate == 'note' else option.fate}: {option.why}"
    )
