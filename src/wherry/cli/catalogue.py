"""Which verbs there are, by the headings of the help; each is a module of ``wherry.cli.verbs``, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.cli.grammar import Verb

__all__ = ["GROUPS", "NAMES", "load"]

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "images",
        (
            *("pull", "push", "images", "rmi", "tag", "inspect", "history", "diff", "login", "logout"),
            *("load", "save", "import", "pack", "export"),
        ),
    ),
    (
        "containers",
        (
            "run",
            "exec",
            "shell",
            "create",
            "start",
            "stop",
            "kill",
            "wait",
            "logs",
            "cp",
            "commit",
            "rename",
            "ps",
            "stats",
            "rm",
        ),
    ),
    ("making", ("build", "lint")),
    ("again", ("record",)),
    ("looking", ("doctor", "host", "df", "prune", "settings", "version", "completion")),
    ("fitting in", ("shim", "expose", "import-store")),
)

NAMES = frozenset(name for _, names in GROUPS for name in names)

_MODULES = {"exec": "exec_", "import-store": "import_store", "import": "import_"}


def load(name: str) -> Verb:
    """The verb of that name, which must be one of :data:`NAMES`."""
    import importlib

    module = importlib.import_module("wherry.cli.verbs." + _MODULES.get(name, name))
    verb: Verb = module.VERB
    return verb
