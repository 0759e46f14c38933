"""``wherry cp``: copy files into and out of a container."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.base.errors import UsageError

    if "-" in given.words:
        hint = "wherry exec CONTAINER tar -c DIRECTORY, or wherry exec -i CONTAINER tar -x -C DIRECTORY"
        raise UsageError("cp copies files, not archives to or from standard streams", hint=hint)
    containers.cp(given.words[0], given.words[1])
    return 0


VERB = Verb(
    "cp",
    "copy files into and out of a container",
    _run,
    arguments=(
        Argument("SOURCE", complete="container|file"),
        Argument("TARGET", complete="container|file"),
    ),
    examples=(
        ("wherry cp lab:/results ./results", "out of the container, running or not"),
        ("wherry cp data.csv lab:/tmp/", "into it"),
    ),
    details="One of both is CONTAINER:PATH. A local path with a colon is written ./a:b.",
)
