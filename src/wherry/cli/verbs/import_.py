"""``wherry import``: an image of a root file system."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, CHECKSUM, PLATFORM, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.archives import import_

    return import_(given)


VERB = Verb(
    "import",
    "make an image of a root file system: a tar or a folder",
    _run,
    options=(
        Option(
            ("-c", "--change"),
            "apply an instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR",
            "many",
            "INSTRUCTION",
        ),
        Option(("-m", "--message"), "a message for the image's history", "text", "TEXT"),
        CHECKSUM,
        PLATFORM,
        QUIET,
        *CHANGES,
    ),
    arguments=(
        Argument("FILE|FOLDER|URL|-", complete="file"),
        Argument("NAME", required=False, complete="image"),
    ),
    examples=(
        ("wherry import root.tar.gz lab:1", "a tar, compressed or not, as 'docker export' or 'wherry export' write it"),
        ("docker export lab | wherry import - lab:1", "from standard input"),
        ("wherry import -c 'CMD [\"python3\"]' -c 'ENV A=1' ./root/ lab:1", "a folder, and what it runs"),
    ),
    details=(
        "The image has one layer, /bin/sh as its command and the usual PATH unless told otherwise, and no date: the "
        "same files give the same image. What belongs to you in a folder belongs to root in the image."
    ),
)
