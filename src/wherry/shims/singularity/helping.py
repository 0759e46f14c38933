"""``help``: the verbs, or the options of one with what is done with each."""

from __future__ import annotations

from wherry.shims.singularity.starting import flags_of
from wherry.shims.singularity.verbs import REFUSED
from wherry.shims.singularity.verbtables import TABLES
from wherry.shims.singularity.words import Flag

__all__ = ["show_help"]

_ACTIONS = {
    "exec": "IMAGE COMMAND [ARGUMENT...]",
    "run": "IMAGE [ARGUMENT...]",
    "shell": "IMAGE [ARGUMENT...]",
    "test": "IMAGE [ARGUMENT...]",
}


def show_help(face: str, words: list[str]) -> int:
    """Of the verb that ``words`` name, or of all."""
    name = " ".join(words)
    if words and words[0] in _ACTIONS:
        print(f"usage: {face} {words[0]} [OPTION...] {_ACTIONS[words[0]]}\n")
        print("\n".join(_line(flag) for flag in flags_of(words[0])))
    elif name in TABLES:
        verb = TABLES[name].verb
        print(f"usage: {face} {name} [OPTION...] {' '.join(argument.metavar for argument in verb.arguments)}\n")
        print("\n".join(f"  {', '.join(option.names)}" for option in verb.options))
    else:
        print(f"usage: {face} [OPTION...] VERB ...\n\nWherry under the name of {face}. Verbs:\n")
        print("\n".join(f"  {verb}" for verb in sorted((*_ACTIONS, *TABLES))))
        print(f"\nRefused, with what to do instead: {', '.join(sorted(REFUSED))}")
    return 0


def _line(flag: Flag) -> str:
    said = "refused" if flag.refused else "passed over" if flag.note else ""
    why = flag.refused or flag.note
    return f"  {', '.join(flag.names):28}" + (f"{said}: {why}" if said else "")
