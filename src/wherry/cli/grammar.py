"""The words in which verbs are declared: options, arguments and verbs as data, and what was given on a command line."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wherry.base.errors import UsageError

__all__ = ["Argument", "Given", "Option", "Verb"]


class Option(msgspec.Struct, frozen=True):
    """One option of a verb.

    ``kind`` is ``flag`` (takes no value), ``text`` (the last one given counts), ``many`` (each one given counts) or
    ``number`` (decimal digits, perhaps with a sign). ``choices`` closes the list of values. ``complete`` says what a
    shell offers as value: ``image``, ``container``, ``file``, ``directory``. ``empty`` says that an empty value means
    something; elsewhere it is a variable of the shell that was not set.
    """

    names: tuple[str, ...]
    help: str
    kind: str = "flag"
    metavar: str = ""
    choices: tuple[str, ...] = ()
    complete: str = ""
    empty: bool = False

    @property
    def key(self) -> str:
        """The name under which its value is found: the last spelling, without dashes in front."""
        return self.names[-1].lstrip("-").replace("-", "_")


class Argument(msgspec.Struct, frozen=True):
    """A word, or with ``many`` all remaining words, after the options."""

    metavar: str
    required: bool = True
    many: bool = False
    complete: str = ""

    @property
    def key(self) -> str:
        return self.metavar.lower().replace("-", "_")


class Given(msgspec.Struct, frozen=True):
    """What a command line says: options by key, and the words that are not options.

    ``prefix`` holds the verb's words up to and including the first that is not an option, for verbs that stop there: a
    saved plan is found again by them. It is empty where there is no such word, and no plan may be saved. ``said`` are
    all its words, for the other verbs, where they are known.
    """

    options: dict[str, bool | str | tuple[str, ...]]
    words: tuple[str, ...]
    prefix: tuple[str, ...] = ()
    said: tuple[str, ...] | None = None

    def flag(self, key: str) -> bool:
        """Whether a flag was given."""
        return bool(self.options.get(key, False))

    def text(self, key: str) -> str | None:
        """The value of an option, None when it was not given."""
        value = self.options.get(key)
        return value if isinstance(value, str) else None

    def many(self, key: str) -> tuple[str, ...]:
        """All values of a repeatable option, in their order."""
        value = self.options.get(key, ())
        return value if isinstance(value, tuple) else ()

    def number(self, key: str) -> int | None:
        """The value of a ``number`` option."""
        value = self.text(key)
        return None if value is None else int(value)

    @property
    def word(self) -> str:
        """The first word."""
        return self.words[0]


class Verb(msgspec.Struct, frozen=True):
    """A verb: how it is written, what it does, how it is used.

    ``summary`` is one line without a full stop; ``details`` paragraphs that follow it in the help; ``examples`` pairs
    of a command line and what it does. ``stops`` says that options end at the first word (all after it belongs to the
    command in the container).
    """

    name: str
    summary: str
    run: Callable[[Given], int]
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    details: str = ""
    stops: bool = False

    def check(self, given: Given) -> None:
        """Raise :class:`UsageError` for an empty value that means nothing, or a wrong number of words."""
        for option in self.options:
            value = given.options.get(option.key)
            if not option.empty and (value == "" or (isinstance(value, tuple) and "" in value)):
                spelled = max(option.names, key=len)
                raise UsageError(f"the value of '{spelled}' is empty", hint="is a variable of your shell unset?")
        self.check_count(given)

    def check_count(self, given: Given) -> None:
        """Raise :class:`UsageError` unless the number of words fits the arguments."""
        words = len(given.words)
        needed = sum(argument.required for argument in self.arguments)
        if words < needed:
            missing = [argument.metavar for argument in self.arguments if argument.required][words]
            what = f"'wherry {self.name}' needs {'an' if missing[0] in 'AEIOU' else 'a'} {missing}"
            raise UsageError(what, hint=f"wherry {self.name} --help")
        if words > len(self.arguments) and not any(argument.many for argument in self.arguments):
            extra = given.words[len(self.arguments)]
            why = f"it takes {len(self.arguments) or 'no'} argument{'' if len(self.arguments) == 1 else 's'}"
            raise UsageError(
                f"'wherry {self.name}' does not take '{extra}'", why=why, hint=f"wherry {self.name} --help"
            )
