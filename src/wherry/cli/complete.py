"""What a shell offers after TAB: verbs and options come from the tables, names from the store, files from the shell.

A store that cannot be read offers nothing: an error would be printed into the line that the user is typing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from wherry.cli.grammar import Option, Verb

__all__ = ["for_value", "for_words"]

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def for_words(verb: Verb) -> Completer:
    """Completion of a verb's arguments, by position."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before = context.params.get("words") or ()
        if not verb.arguments:
            return []
        argument = verb.arguments[min(len(before), len(verb.arguments) - 1)]
        return _offer(argument.complete, incomplete)

    return complete


def for_value(option: Option) -> Completer | None:
    """Completion of an option's value; None leaves it to click."""
    if option.kind == "flag":
        return None

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _offer(option.complete, incomplete)

    return complete


def _offer(what: str, incomplete: str) -> list[CompletionItem]:
    if what in ("file", "directory"):
        return [CompletionItem(incomplete, type="dir" if what == "directory" else "file")]
    names: set[str] = set()
    for kind in what.split("|"):
        names.update(_quietly(_NAMES.get(kind, _nothing)))
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _quietly(names: Callable[[], Iterable[str]]) -> list[str]:
    try:
        return list(names())
    except Exception:
        return []


def _nothing() -> Iterable[str]:
    return ()


def _images() -> Iterable[str]:
    from wherry.containers import World
    from wherry.store import listed

    for reference, _ in listed(World().store).names:
        yield reference.familiar
        if reference.tag == "latest":
            yield reference.familiar.removesuffix(":latest")


def _containers() -> Iterable[str]:
    from wherry import containers

    for summary in containers.ps(all=True):
        yield from summary.names or (summary.id[:12],)


def _settings() -> Iterable[str]:
    from wherry.base.settings import keys

    return (key.name for key in keys())


def _peers() -> Iterable[str]:
    from wherry.containers import PEERS

    return PEERS


def _engines() -> Iterable[str]:
    from wherry.launch.engines import known_engines

    return ("auto", *known_engines())


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "image": _images,
    "container": _containers,
    "setting": _settings,
    "engine": _engines,
    "userns": lambda: ("one", "range"),
    "shell": lambda: ("bash", "zsh", "fish"),
    "shim": lambda: ("install", "list", "remove"),
    "peer": _peers,
}
