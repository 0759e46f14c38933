"""``wherry export``: an image and a command as a bundle for OCI runtimes."""

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
    "write an image and a command as a bundle for OCI runtimes",
    _run,
    options=(
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
        Argument("IMAGE", complete="image"),
        Argument("COMMAND", required=False, many=True, complete="file"),
    ),
    examples=(
        ("wherry export --bundle box IMAGE make", "then: crun run --bundle box NAME"),
        ("wherry export --bundle box -u root IMAGE", "for runc, which starts only root when it is not root"),
    ),
    details=(
        "The bundle maps one id, yours, and asks for no control group, so that you can run it without root. Its files "
        "are copies: nothing of the store is in it."
    ),
    stops=True,
)
