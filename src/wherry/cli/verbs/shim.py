"""``wherry shim``: be called by a peer's name."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN, FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.shimming import shim

    return shim(given)


VERB = Verb(
    "shim",
    "let docker, podman, udocker, singularity, apptainer or ch-run be Wherry",
    _run,
    options=(
        Option(("--dir",), "the folder of the links (default: where 'wherry' is)", "text", "DIR", complete="directory"),
        Option(("-f", "--force"), "put the link in the place of another program, too"),
        DRY_RUN,
        FORMAT,
    ),
    arguments=(Argument("ACTION", complete="shim"), Argument("NAME", required=False, many=True, complete="peer")),
    examples=(
        ("wherry shim install docker singularity", "scripts that call these run on Wherry now"),
        ("wherry shim install --dir ~/shims docker", "in a folder of its own, which you put first in PATH at times"),
        ("wherry shim list", "which there are, and which of them the shell finds"),
        ("wherry shim remove docker", "only a link of Wherry's is ever removed"),
    ),
    details=(
        "ACTION is install, list or remove. A shim is a link to wherry by the name of the other program; it reads that "
        "program's command line and keeps its habits. Without --dir it is put beside the 'wherry' that your shell "
        "finds, or in ~/.local/bin where you may not write there."
    ),
)
