"""The small parser: a verb's words, read by its table, in microseconds and without importing a library.

It understands what pflag and click do with the same table: ``--name VALUE``, ``--name=VALUE``, ``-n VALUE``,
``-nVALUE``, flags in one word (``-it``), flags as ``--rm=true`` and ``-t=false``, ``--`` as the end of the options.
It explains nothing: what it does not understand raises :class:`NotUnderstood`, and click (made from the same table)
tells the user why. A property test holds the two together.
"""

from __future__ import annotations

from wherry.cli.grammar import Given, Option, Verb

__all__ = ["NotUnderstood", "is_number", "parse", "with_plain_flags"]

_TRUTH = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
"""What a flag may be set to: the words of Go's strconv.ParseBool, as Docker has it."""


class NotUnderstood(Exception):
    """The words are not this verb's; ``option`` is the unknown option where there is one."""

    def __init__(self, option: str = "") -> None:
        super().__init__(option)
        self.option = option


def parse(verb: Verb, arguments: list[str], *, equals: bool = False) -> Given:
    """Read the words after the verb; raise :class:`NotUnderstood` (also for ``--help``).

    ``equals``: in ``-w=DIR`` the sign is no part of the value, as pflag has it and click has not.
    """
    table = {name: option for option in verb.options for name in option.names}
    options: dict[str, bool | str | tuple[str, ...]] = {}
    words: list[str] = []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if argument == "--":
            return _after_dashes(verb, options, words, arguments, position)
        if argument[:1] != "-" or argument == "-":
            words.append(argument)
            if verb.stops:
                _check_values(verb, options)
                return Given(options, (*words, *arguments[position:]), tuple(arguments[:position]))
        elif argument[:2] == "--":
            position = _long(table, argument, arguments, position, options)
        else:
            position = _short(table, argument, arguments, position, options, equals=equals)
    _check_values(verb, options)
    return Given(options, tuple(words), said=None if verb.stops else tuple(arguments))


def _after_dashes(
    verb: Verb, options: dict[str, bool | str | tuple[str, ...]], words: list[str], arguments: list[str], position: int
) -> Given:
    _check_values(verb, options)
    if verb.stops:  # `--` stands where the image would: the empty name is the project's own image
        return Given(options, ("", *arguments[position:]), tuple(arguments[:position]))
    return Given(options, (*words, *arguments[position:]), said=tuple(arguments))


def _long(
    table: dict[str, Option],
    argument: str,
    arguments: list[str],
    position: int,
    options: dict[str, bool | str | tuple[str, ...]],
) -> int:
    name, equals, value = argument.partition("=")
    option = table.get(name)
    if option is None:
        raise NotUnderstood(name)
    if option.kind == "flag":
        _set(option, value if equals else "true", options)
        return position
    if not equals:
        if position == len(arguments):
            raise NotUnderstood
        value = arguments[position]
        position += 1
    _store(option, value, options)
    return position


def _short(
    table: dict[str, Option],
    argument: str,
    arguments: list[str],
    position: int,
    options: dict[str, bool | str | tuple[str, ...]],
    *,
    equals: bool,
) -> int:
    for index, letter in enumerate(argument[1:], 2):
        option = table.get(f"-{letter}")
        if option is None:
            raise NotUnderstood(f"-{letter}")
        value = argument[index:]
        if option.kind == "flag":
            _set(option, value[1:] if value[:1] == "=" else "true", options)
            if value[:1] == "=":
                break
            continue
        if not value:
            if position == len(arguments):
                raise NotUnderstood
            value = arguments[position]
            position += 1
        elif equals and value[0] == "=":
            value = value[1:]
        _store(option, value, options)
        break
    return position


def _set(option: Option, value: str, options: dict[str, bool | str | tuple[str, ...]]) -> None:
    if value not in _TRUTH:
        raise NotUnderstood
    if _TRUTH[value]:
        options[option.key] = True
    else:
        options.pop(option.key, None)


def with_plain_flags(verb: Verb, arguments: list[str]) -> list[str]:
    """The words without ``=true`` at flags and without flags that are ``=false``, for click, which knows neither."""
    table = {name: option for option in verb.options for name in option.names}
    plain: list[str] = []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        name, equals, value = argument.partition("=")
        names = [name] if argument[:2] == "--" else [f"-{letter}" for letter in name[1:]]
        found = [table.get(each) for each in names]
        if argument == "--" or (verb.stops and (argument[:1] != "-" or argument == "-")):
            break
        position += 1
        if argument[:1] == "-" and equals and value in _TRUTH and all(each and each.kind == "flag" for each in found):
            kept = names if _TRUTH[value] else names[:-1]
            off = found[-1].names if not _TRUTH[value] and found[-1] else ()
            plain = [word for word in plain if word not in off] + kept
            continue
        plain.append(argument)
        takes = next((each for each in found if each is None or each.kind != "flag"), None)
        last = argument[:2] == "--" or (takes is not None and takes is found[-1])
        if argument[:1] == "-" and takes is not None and last and not equals and position < len(arguments):
            plain.append(arguments[position])
            position += 1
    return [*plain, *arguments[position:]]


def _store(option: Option, value: str, options: dict[str, bool | str | tuple[str, ...]]) -> None:
    if option.kind == "many":
        before = options.get(option.key, ())
        options[option.key] = (*before, value) if isinstance(before, tuple) else (value,)
    else:
        options[option.key] = value


def _check_values(verb: Verb, options: dict[str, bool | str | tuple[str, ...]]) -> None:
    """Of an option that was given twice only the last value counts, so values are looked at in the end."""
    for option in verb.options:
        value = options.get(option.key) if option.choices or option.kind == "number" else None
        if not isinstance(value, str):
            continue
        if (option.choices and value not in option.choices) or (option.kind == "number" and not is_number(value)):
            raise NotUnderstood


def is_number(text: str) -> bool:
    """Whether ``text`` is what a ``number`` option takes: decimal digits, perhaps with a sign."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    return digits.isascii() and digits.isdigit()
