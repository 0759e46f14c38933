"""``apptainer`` and ``singularity``: their verbs, each by the function of Wherry's that does it.

A package within ``wherry.shims``. What each option means to a start is in ``words``; images are files to these
programs, so what Wherry holds of them in its store is never named by a user.
"""

from __future__ import annotations

from wherry.base.errors import Interrupted, UsageError, WherryError

__all__ = ["VERSIONS", "main"]

VERSIONS = {"apptainer": "apptainer version 1.3.6", "singularity": "singularity-ce version 4.1.5"}
"""What workflow systems parse: the releases whose command line is spoken."""

_ACTIONS = ("exec", "run", "shell", "test")
_FLAGS = ("-q", "--quiet", "-s", "--silent", "-v", "--verbose", "-d", "--debug", "--nocolor")
_VALUED = ("-c", "--config", "--build-config")


def main(face: str, words: list[str]) -> int:
    """Do what the command line says; the status is the peer's, 255 for whatever cannot be done."""
    try:
        if face == "run-singularity":  # what the first line of a SIF file names
            return _action(face, "run", (), words, quiet=False)
        return _dispatch(face, words)
    except Interrupted:
        raise
    except WherryError as error:
        from wherry.cli.main import complain
        from wherry.shims.singularity.starting import FAILED

        complain(error)
        return FAILED


def _dispatch(face: str, words: list[str]) -> int:
    place = _skip_globals(words)
    before, rest = words[:place], words[place:]
    if "--version" in before:
        print(VERSIONS[face])
        return 0
    if not rest or rest[0] in ("-h", "--help", "help"):
        from wherry.shims.singularity.helping import show_help

        return show_help(face, rest[1:])
    verb = rest[0]
    quiet = any(word in ("-q", "--quiet", "-s", "--silent") for word in before)
    if verb in _ACTIONS:
        return _action(face, verb, tuple(words[: place + 1]), rest[1:], quiet=quiet)
    from wherry.shims.singularity.verbs import other

    return other(face, verb, rest[1:], quiet=quiet)


def _skip_globals(words: list[str]) -> int:
    """Where the verb stands."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        word = words[place]
        name = word.partition("=")[0]
        if name in _VALUED:
            place += 1 if "=" in word else 2
        elif name in (*_FLAGS, "--version"):
            place += 1
        elif word in ("-h", "--help"):
            return place
        else:
            raise UsageError(f"there is no option '{word}' before the verb")
    if place > len(words):
        raise UsageError(f"'{words[-1]}' lacks its value")
    return place


def _action(face: str, verb: str, before: tuple[str, ...], rest: list[str], *, quiet: bool) -> int:
    from wherry.cli.grammar import Argument
    from wherry.shims.singularity.reading import read
    from wherry.shims.singularity.starting import act, flags_of
    from wherry.shims.singularity.words import verb_of

    if rest[:1] in (["-h"], ["--help"]):
        from wherry.shims.singularity.helping import show_help

        return show_help(face, [verb])
    arguments = (Argument("IMAGE"), Argument("COMMAND", required=verb == "exec", many=True))
    table = verb_of(verb, flags_of(verb), lambda given: 0, arguments, stops=True)
    given = read(face, table, rest)
    quiet = quiet or given.flag("quiet") or given.flag("silent")
    return act(face, verb, before, given, quiet=quiet)
