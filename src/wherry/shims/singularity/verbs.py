"""The verbs that start nothing, and instances: where each is done; and those that Wherry has not, by name."""

from __future__ import annotations

from importlib import import_module

from wherry.base.errors import UsageError
from wherry.shims.singularity.reading import read
from wherry.shims.singularity.verbtables import GROUPS, TABLES

__all__ = ["REFUSED", "other"]

_GO = "use the peer's own program for it"
REFUSED = {
    "capability": ("a user cannot give capabilities that he has not", "leave it out"),
    "checkpoint": ("processes are not checkpointed", _GO),
    "config": ("Wherry has no file of an administrator's to change", "'wherry settings' shows what is set"),
    "confgen": ("Wherry has no file of an administrator's to change", "'wherry settings' shows what is set"),
    "data": ("data containers are not made", _GO),
    "key": ("signatures of SIF files are not made or checked yet", _GO),
    "keyserver": ("signatures of SIF files are not made or checked yet", _GO),
    "oci": ("Wherry starts containers itself", "wherry run --engine oci"),
    "overlay": ("an overlay is a directory here", "mkdir DIR, then --overlay DIR"),
    "plugin": ("Wherry takes no plugins of Apptainer", "leave it out"),
    "search": ("the Sylabs library speaks a protocol of its own", "look at the library's web page"),
    "sif": ("parts of a SIF file are not shown one by one", "apptainer inspect --all FILE"),
    "sign": ("signatures of SIF files are not made or checked yet", _GO),
    "verify": ("signatures of SIF files are not made or checked yet", "sha256sum, and compare with the publisher's"),
}
"""Verb -> (why, what to do instead)."""


def other(face: str, verb: str, words: list[str], *, quiet: bool) -> int:
    """Do a verb that is no action; raises :class:`UsageError` for one that is not there."""
    name = verb
    if verb in GROUPS and words and not words[0].startswith("-"):
        name, words = f"{verb} {words[0]}", words[1:]
    if name not in TABLES:
        raise _unknown(face, verb, name)
    table = TABLES[name]
    if any(word in ("-h", "--help") for word in words[:1]):
        from wherry.shims.singularity.helping import show_help

        return show_help(face, name.split())
    given = read(face, table.verb, words)
    done = import_module(f"wherry.shims.singularity.{table.module}")
    status: int = getattr(done, table.function)(face, given, quiet=quiet or given.flag("quiet"))
    return status


def _unknown(face: str, verb: str, name: str) -> UsageError:
    if verb in REFUSED:
        why, hint = REFUSED[verb]
        return UsageError(f"'{face} {verb}' is not possible", why=why, hint=hint)
    if verb in GROUPS:
        hint = f"{face} {verb} {'|'.join(GROUPS[verb])}"
        return UsageError(f"there is no verb '{name}'", hint=hint)
    import difflib

    near = difflib.get_close_matches(verb, [*(each.split()[0] for each in TABLES), "exec", "run", "shell", "test"], 1)
    hint = f"did you mean '{face} {near[0]}'?" if near else f"'{face} help' lists them"
    return UsageError(f"there is no verb '{verb}'", hint=hint)
