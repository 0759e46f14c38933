"""udocker's own way with a command line: ``--name=VALUE`` or ``--name VALUE``, no letters run together, options end at
the first other word, and a value never begins with a dash unless it follows an equal sign."""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given, Option

__all__ = ["GENERAL", "OPTIONS", "read", "split"]

GENERAL = (
    Option(("-D", "--debug"), "more words"),
    Option(("-q", "--quiet"), "fewer words"),
    Option(("--insecure",), "a registry without a certificate"),
    Option(("--repo",), "folder in which all is kept", "text"),
    Option(("--allow-root",), "udocker's own guard"),
    Option(("--config",), "a file of udocker's settings", "text"),
    Option(("-h", "--help"), "help"),
    Option(("-V", "--version"), "version"),
)
"""Before the verb."""

_REGISTRY = (
    Option(("--index",), "where to search", "text"),
    Option(("--registry",), "where to pull from", "text"),
    Option(("--httpproxy",), "a proxy", "text"),
)
_PLATFORM = Option(("--platform",), "OS/ARCHITECTURE", "text")
_NAME = Option(("--name",), "the container's name", "text")
_FORCE = Option(("-f", "--force"), "even so")

_RUN = (
    Option(("--rm",), "remove the container when it ends"),
    _NAME,
    Option(("-v", "--volume"), "HOST[:CONTAINER]", "many"),
    Option(("--novol",), "a volume to leave out", "many"),
    Option(("-e", "--env"), "NAME=VALUE", "many"),
    Option(("--env-file",), "a file of them", "many"),
    Option(("-u", "--user"), "who to be inside", "text"),
    Option(("-w", "--workdir"), "where to start", "text"),
    Option(("--entrypoint",), "in place of the image's", "text"),
    Option(("--hostauth",), "the host's users and groups"),
    Option(("--containerauth",), "the image's users and groups"),
    Option(("--hostenv",), "the host's variables"),
    Option(("--bindhome",), "the home directory"),
    Option(("--nosysdirs",), "without /dev, /proc and /sys of the host"),
    Option(("--nometa",), "without what the image says of its start"),
    Option(("--dri",), "libraries for direct rendering"),
    Option(("--cpuset-cpus",), "processors", "text"),
    Option(("--device",), "a device", "many"),
    Option(("--kernel",), "a kernel's version to pretend", "text"),
    Option(("--location",), "a directory in place of a container", "text"),
    Option(("--nobanner",), "without a banner"),
    Option(("-p", "--publish"), "HOST:CONTAINER port", "many"),
    Option(("-P", "--publish-all"), "all ports"),
    Option(("--netcoop",), "all ports"),
    Option(("--pull",), "missing, never, always or reuse", "text"),
    Option(("-i",), "standard input, which always goes in"),
    Option(("-t",), "a terminal, where there is one"),
    Option(("-a",), "all streams, which are always attached"),
    Option(("--volumes-from",), "udocker ignores it", "text"),
    Option(("--dns",), "udocker ignores it", "text"),
    Option(("--dns-search",), "udocker ignores it", "text"),
    _PLATFORM,
    *_REGISTRY,
)

OPTIONS: dict[str, tuple[Option, ...]] = {
    "run": _RUN,
    "create": (_NAME, Option(("--force",), "take the name from another container")),
    "pull": (_PLATFORM, *_REGISTRY),
    "search": (
        *(Option(("-a",), "all pages"), Option(("--no-trunc",), "whole lines"), Option(("--list-tags",), "tags")),
        *_REGISTRY,
    ),
    "manifest": (_PLATFORM, *_REGISTRY),
    "images": (
        *(Option(("-l",), "with layers"), Option(("-p",), "with the platform")),
        *(Option(("--no-trunc",), "as always"), Option(("--all",), "as always")),
    ),
    "ps": (Option(("-m",), "mode"), Option(("-s",), "size"), Option(("-p",), "platform")),
    "inspect": (Option(("-p",), "print the directory"),),
    "rm": (_FORCE,),
    "rmi": (_FORCE,),
    "load": (Option(("-i", "--input"), "the file", "text"),),
    "save": (Option(("-o", "--output"), "the file", "text"),),
    "import": (
        *(Option(("--mv",), "move the file"), Option(("--tocontainer",), "into a container")),
        *(Option(("--clone",), "what export --clone wrote"), _NAME, _PLATFORM),
    ),
    "export": (Option(("-o",), "to a file"), Option(("--clone",), "with what udocker knows of it")),
    "clone": (_NAME,),
    "setup": (
        Option(("--execmode",), "P1, P2, F1 to F4, R1 to R3, S1", "text"),
        *(Option((f"--{name}",), "as udocker") for name in ("force", "purge", "fixperm", "nvidia")),
    ),
    "login": (
        *(Option((f"--{name}",), "credentials", "text") for name in ("username", "password", "registry")),
        Option(("--password-stdin",), "read it"),
    ),
    "logout": (Option(("-a",), "all"), Option(("--registry",), "which", "text")),
    "install": (Option(("--force",), "again"), Option(("--purge",), "anew")),
    **dict.fromkeys(("name", "rename", "rmname", "tag", "protect", "unprotect", "verify", "mkrepo"), ()),
    **dict.fromkeys(("showconf", "version", "help"), ()),
}
"""By verb; every verb that there is."""


def split(words: list[str]) -> tuple[Given, str, list[str]]:
    """The options before the verb, the verb (empty where there is none), and the words after it."""
    for position, word in enumerate(words):
        takes_next = position > 0 and words[position - 1] in ("--repo", "--config")
        if word[:1].isalpha() and not takes_next:
            return read(GENERAL, words[:position]), word, words[position + 1 :]
    return read(GENERAL, words), "", []


def read(table: tuple[Option, ...], words: list[str]) -> Given:
    """Read ``words`` by the table; ``prefix`` are those up to and including the first that is no option.

    Raises :class:`UsageError` for an option that is not in the table.
    """
    by_name = {name: option for option in table for name in option.names}
    options: dict[str, bool | str | tuple[str, ...]] = {}
    position = 0
    while position < len(words):
        word = words[position]
        if word[:1] != "-" or word == "-":
            break
        position += 1
        name, equals, value = word.partition("=")
        option = by_name.get(name)
        if option is None or (option.kind == "flag" and equals):
            raise UsageError(f"syntax error at: {word}", hint="udocker VERB --help lists the options")
        if option.kind == "flag":
            options[option.key] = True
            continue
        if not equals:
            if position == len(words) or words[position].startswith("-"):
                if option.key == "pull":  # udocker takes it without a value too
                    continue
                raise UsageError(f"syntax error at: {word}", why="it takes a value", hint=f"{word}=VALUE")
            value = words[position]
            position += 1
        value = value.strip()
        before = options.get(option.key, ())
        if option.kind == "many":
            options[option.key] = (*before, value) if isinstance(before, tuple) else (value,)
        elif option.key not in options:  # of several the first counts, as udocker reads them
            options[option.key] = value
    return Given(options, tuple(words[position:]), tuple(words[: position + 1]) if position < len(words) else ())
