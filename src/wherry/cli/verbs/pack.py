"""``wherry pack``: an image into one file."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN, PLATFORM, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.packing import pack

    return pack(given)


VERB = Verb(
    "pack",
    "write an image into one SIF or squashfs file",
    _run,
    options=(
        Option(
            ("--format",),
            "sif or squashfs (default: squashfs for FILE.sqfs and the like, else sif); or how --dry-run shows it",
            "text",
            "sif|squashfs|table|json",
            ("sif", "squashfs", "table", "json"),
        ),
        Option(
            ("--compression",),
            "zstd (default), gzip, xz, lz4, lzo or none",
            "text",
            "NAME",
            ("zstd", "gzip", "xz", "lz4", "lzo", "none"),
        ),
        Option(("--block-size",), "bytes compressed at once, from 4K to 1M; default: 128K", "text", "SIZE"),
        PLATFORM,
        QUIET,
        DRY_RUN,
    ),
    arguments=(Argument("IMAGE", complete="image"), Argument("FILE", complete="file")),
    examples=(
        ("wherry pack debian:12 debian.sif", "one file that 'wherry run ./debian.sif' and Apptainer run"),
        ("wherry pack --compression gzip analysis:1 analysis.sqfs", "one that old kernels and programs read, too"),
    ),
    details=(
        "The same image gives the same bytes. The file has the OCI configuration inside, and what Apptainer needs to "
        "run it as the image says. An image that is not here is pulled; a SIF file or a directory is packed as well."
    ),
)
