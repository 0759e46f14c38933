"""``wherry load``: images out of files."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, CHECKSUM, PLATFORM, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.archives import load

    return load(given)


VERB = Verb(
    "load",
    "take images out of a file, a folder or a URL",
    _run,
    options=(
        Option(("-i", "--input"), "the file; default: standard input", "text", "FILE", complete="file"),
        CHECKSUM,
        PLATFORM,
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("FILE", required=False, complete="file"),),
    examples=(
        ("wherry load -i image.tar", "a file made by 'docker save', 'podman save' or 'wherry save'"),
        ("ssh host docker save lab | wherry load", "from standard input"),
        ("wherry load ./layout", "a folder in the OCI layout"),
        ("wherry load -i oci-archive:images.tar:lab", "one image of several, by its name there"),
        ("wherry load -i lab.sif", "a SIF or squashfs file, unpacked; 'wherry run lab.sif' needs no load"),
    ),
    details=(
        "What the file is (docker-archive, OCI archive or layout, SIF, squashfs; also compressed) is seen from its "
        "content, not from its name. A transport in front, as skopeo has them (docker-archive: oci-archive: oci: dir: "
        "docker-daemon: containers-storage:), insists on it, and may choose one image. What comes from https:// needs "
        "a checksum: --checksum, or #sha256=HEX after the address; without one you are told which it has."
    ),
)
