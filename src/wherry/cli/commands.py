"""click commands made from the verbs' tables: for help, for errors, for completion. Importing click takes 40 ms.

So the small parser reads what is right, and this module is loaded when something is wrong or asked about.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from wherry.base.errors import UsageError
from wherry.cli import catalogue
from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.parse import is_number, with_plain_flags

__all__ = ["command", "explain", "group", "main"]

_WIDTH = 100

_INTRODUCTION = """Rootless, daemonless containers for scientific computing."""

_EXAMPLES = """\
  wherry pull debian:12                               fetch an image
  wherry run debian:12 cat /etc/os-release            run a command in it
  wherry run --here python:3.12 python3 analyse.py    work on your files here
  wherry shell --here python:3.12                     look around
"""


def main(words: list[str]) -> int:
    """``wherry``, ``wherry --help``, ``wherry help VERB`` and completion."""
    if words[:1] == ["help"] and len(words) > 1:
        if words[1] not in catalogue.NAMES:
            from wherry.cli.main import no_such_verb

            raise no_such_verb(words[1])
        words = [words[1], "--help"]
    elif words[:1] in (["help"], ["-h"]) or not words:
        words = ["--help"]
    return _invoke(group(), words)


def explain(verb: Verb, words: list[str]) -> Given | None:
    """Say what is wrong with ``words`` by raising :class:`UsageError`, or show the help and return None.

    Should click understand what the small parser did not, its reading counts.
    """
    made = command(verb)
    try:
        context = made.make_context(f"wherry {verb.name}", with_plain_flags(verb, words))
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        raise _translate(error, verb) from None
    given = given_by(verb, context.params)
    verb.check(given)
    return given


def given_by(verb: Verb, params: dict[str, Any]) -> Given:
    """The values that click read, as the small parser would give them."""
    options: dict[str, bool | str | tuple[str, ...]] = {}
    for option in verb.options:
        value = params.get(option.key)
        if value not in (None, False, ()):
            options[option.key] = value
    return Given(options, tuple(params.get("words") or ()))


class _Verb(click.Command):
    """A verb's command: its usage line and sections come from the table."""

    def __init__(self, verb: Verb, **settings: Any) -> None:
        super().__init__(verb.name, **settings)
        self.verb = verb

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        pieces = ["[OPTIONS]"] if self.verb.options else []
        return pieces + [_shown(argument) for argument in self.verb.arguments]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self._format_examples(formatter)
        left = {parameter.name: parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)}
        sections = _sections(self.verb)
        shared = [option for _, options in sections for option in options]
        own = [option for option in self.verb.options if sections and option not in shared]
        for heading, options in [("How it runs", own), *sections] if own else sections:
            records = [left.pop(option.key).get_help_record(ctx) for option in options]
            self._format_section(formatter, heading, records)
        rest = [parameter.get_help_record(ctx) for parameter in left.values()]
        self._format_section(formatter, "Options", rest)

    @staticmethod
    def _format_section(
        formatter: click.HelpFormatter, heading: str, records: Sequence[tuple[str, str] | None]
    ) -> None:
        with formatter.section(heading):
            formatter.write_dl([record for record in records if record])

    def _format_examples(self, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for line, meaning in self.verb.examples:
                formatter.write_text(f"{line}")
                with formatter.indentation():
                    formatter.write_text(meaning)


class _Group(click.Group):
    """All verbs, each loaded when it is asked for, shown under the headings of the catalogue."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["VERB", "[OPTIONS]", "[ARGUMENTS]"]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for _, names in catalogue.GROUPS for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command(catalogue.load(cmd_name)) if cmd_name in catalogue.NAMES else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write(_EXAMPLES)
        for heading, names in catalogue.GROUPS:
            with formatter.section(heading.capitalize()):
                formatter.write_dl([(name, catalogue.load(name).summary) for name in names])
        formatter.write_paragraph()
        formatter.write_text("'wherry VERB --help' shows a verb's options and examples; 'wherry settings' what is set.")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)


def group() -> click.Group:
    """The whole command, for help and completion."""
    return _Group("wherry", help=_INTRODUCTION, context_settings={"max_content_width": _WIDTH})


def command(verb: Verb) -> click.Command:
    """The verb as a click command; it parses, and calls nothing."""
    from wherry.cli import complete

    parameters: list[click.Parameter] = [_option(option) for option in verb.options]
    parameters.append(
        click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, shell_complete=complete.for_words(verb))
    )
    names = ["--help"] if any("-h" in option.names for option in verb.options) else ["-h", "--help"]
    settings = {
        "help_option_names": names,
        "allow_interspersed_args": not verb.stops,
        "max_content_width": _WIDTH,
    }
    text = verb.summary[0].upper() + verb.summary[1:] + "." + (f"\n\n{verb.details}" if verb.details else "")
    return _Verb(verb, params=parameters, help=text, context_settings=settings, callback=_nothing)


def _sections(verb: Verb) -> list[tuple[str, list[Option]]]:
    """The headings for the many options of a start; none for other verbs."""
    from wherry.cli.options import SECTIONS, START

    if not set(START) <= set(verb.options):
        return []
    return [(heading, list(options)) for heading, options in SECTIONS]


def _nothing(**values: object) -> None:
    """A verb's function is called by ``cli.main``, never by click."""


if TYPE_CHECKING:
    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType  # not generic before click 8.2


class _Number(_TextType):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_number(str(value)) else self.fail(f"'{value}' is not a number", param, ctx)


def _option(option: Option) -> click.Option:
    from wherry.cli import complete

    names = [*option.names, option.key]
    if option.kind == "flag":
        return click.Option(names, is_flag=True, help=option.help)
    kind: click.ParamType[Any] = click.UNPROCESSED
    if option.choices:
        kind = click.Choice(option.choices)
    elif option.kind == "number":
        kind = _Number()
    return click.Option(
        names,
        multiple=option.kind == "many",
        type=kind,
        help=option.help,
        metavar=option.metavar,
        shell_complete=None if option.choices else complete.for_value(option),
    )


def _shown(argument: Argument) -> str:
    text = argument.metavar + ("..." if argument.many else "")
    return text if argument.required else f"[{text}]"


def _invoke(made: click.Command, words: Sequence[str]) -> int:
    try:
        made.main(list(words), "wherry", standalone_mode=False, complete_var="_WHERRY_COMPLETE")
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        raise _translate(error, None) from None
    except SystemExit as end:  # completion ends so
        return end.code if isinstance(end.code, int) else 1
    return 0


def _translate(error: click.UsageError, verb: Verb | None) -> UsageError:
    name = f"wherry {verb.name}" if verb else "wherry"
    hint = f"{name} --help"
    if isinstance(error, click.NoSuchOption):
        known = [spelling for option in verb.options for spelling in option.names] if verb else []
        near = difflib.get_close_matches(error.option_name, known, 1, 0.6)
        hint = f"did you mean '{near[0]}'?" if near else hint
        return UsageError(f"'{name}' has no option '{error.option_name}'", hint=hint)
    if isinstance(error, click.BadOptionUsage) and "does not take a value" in error.message:
        return UsageError(f"'{name}': '{error.option_name}' is true or false", hint=f"write {error.option_name} alone")
    if isinstance(error, click.BadOptionUsage) and "requires an argument" in error.message:
        return UsageError(f"'{name}': option '{error.option_name}' needs a value", hint=hint)
    if isinstance(error, click.BadParameter) and error.param is not None:
        spelled = max(error.param.opts, key=len)
        return UsageError(f"'{name}': bad value for '{spelled}'", why=_lower(error.message), hint=hint)
    return UsageError(f"'{name}': {_lower(error.message)}", hint=hint)


def _lower(message: str) -> str:
    text = message.rstrip(".")
    return text[:1].lower() + text[1:]
