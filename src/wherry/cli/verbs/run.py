"""``wherry run``: a command in a fresh container."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import START

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import launching

    return launching.start("run", given)


VERB = Verb(
    "run",
    "run a command in a fresh container",
    _run,
    options=(
        Option(("--rm",), "remove the container when it ends, also one with --name"),
        Option(("-d", "--detach"), "run in the background and print the container's id"),
        *START,
    ),
    arguments=(
        Argument("IMAGE", required=False, complete="image"),
        Argument("COMMAND", required=False, many=True, complete="file"),
    ),
    examples=(
        ("wherry run debian:12 cat /etc/os-release", "run a command; the image is pulled when it is missing"),
        ("wherry run --here python:3.12 python3 analyse.py", "work on the files of the current directory"),
        ("wherry run -v /data/sky:/data:ro IMAGE ls /data", "show a directory of the host, read-only"),
        ("cat script.py | wherry run -i IMAGE python3 -", "standard input goes in with -i"),
        ("wherry run -d --name server IMAGE", "run in the background; 'wherry logs server' shows its output"),
        ("wherry run --dry-run --here IMAGE make", "show what would be done"),
        ("wherry run -- make", "run a command in the image that this directory's wherry.toml names"),
    ),
    details=(
        "The container sees the image, the host's network, a /tmp of its own and an empty home; nothing else of the "
        "host unless asked for: --here, --home, -v, -e. You are yourself inside. Without --name, -d or 'create' "
        "nothing of it is left when the command ends. Options end at the image; all after it is the command. What "
        "./IMAGE.tar or ./LAYOUT/ brings is kept in the store until 'wherry prune'."
    ),
    stops=True,
)
