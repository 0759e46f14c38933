"""``wherry export``: a root file system as a tar, or an image and a command as a bundle for OCI runtimes."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, QUIET, START

__all__ = ["VERB"]

_SHARED = {
    *("--volume", "--mount", "--tmpfs", "--read-only", "--env", "--env-file", "--workdir", "--user", "--tty"),
    *("--hostname", "--entrypoint", "--network", "--ulimit", "--security-opt", "--pull", "--platform"),
}
"""Those of ``run`` that a bundle has words for."""


def _run(given: Given) -> int:
    from wherry.cli.exporting import export

    return export(given)


VERB = Verb(
    "export",
    "write the files of a container or image as a tar, or an image and a command as a bundle for OCI runtimes",
    _run,
    options=(
        Option(("-o", "--output"), "the file; default: standard output", "text", "FILE", complete="file"),
        Option(
            ("--bundle",),
            "the directory to write: config.json and rootfs of the OCI runtime specification",
            "text",
            "DIR",
            complete="file",
        ),
        *(option for option in START if option.names[-1] in _SHARED),
        QUIET,
        *CHANGES,
    ),
    arguments=(
        Argument("NAME", complete="container|image"),
        Argument("COMMAND", required=False, many=True, complete="file"),
    ),
    examples=(
        ("wherry export -o root.tar lab", "the files of the kept container 'lab', as 'wherry import' takes them"),
        ("wherry export debian:12 | tar -tf -", "those of an image"),
        ("wherry export --bundle box IMAGE make", "then: crun run --bundle box NAME"),
        ("wherry export --bundle box -u root IMAGE", "for runc, which starts only root when it is not root"),
    ),
    details=(
        "The tar has owners, modes and devices as root would have them; what a container wrote as you belongs to root. "
        "The bundle maps one id, yours, and asks for no control group, so that you can run it without root. Its files "
        "are copies: nothing of the store is in it."
    ),
    stops=True,
)
