"""``wherry save``: images into a file."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.archives import save

    return save(given)


VERB = Verb(
    "save",
    "write images into a file or folder",
    _run,
    options=(
        Option(("-o", "--output"), "the file; default: standard output", "text", "FILE", complete="file"),
        Option(
            ("--format",),
            "docker-archive (default), oci-archive, sif, squashfs, folders: oci, dir; or how --dry-run shows it",
            "text",
            "FORMAT",
        ),
        Option(
            ("--compression",),
            "compress the layers (default: tars, as they were made); docker-archive, oci-archive, oci, dir",
            "text",
            "gzip|zstd",
            ("gzip", "zstd"),
        ),
        QUIET,
        DRY_RUN,
    ),
    arguments=(Argument("IMAGE", many=True, complete="image"),),
    examples=(
        ("wherry save -o image.tar debian:12", "a file that 'docker load', 'podman load' and 'wherry load' read"),
        ("wherry save lab:1 | ssh host docker load", "to standard output"),
        ("wherry save -o both.tar lab:1 lab:2", "several images; what they share is in it once"),
        ("wherry save --format oci -o layout lab:1", "an OCI layout; one that is there is added to"),
    ),
    details="The same images give the same bytes. 'wherry push IMAGE oci:FOLDER:TAG' gives another name there.",
)
