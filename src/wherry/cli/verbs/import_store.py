"""``wherry import-store``: bring over what other container programs keep."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN, FORMAT, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.importing import import_store

    return import_store(given)


VERB = Verb(
    "import-store",
    "bring over the images that another container program keeps, without downloading them again",
    _run,
    options=(
        Option(
            ("--from",),
            "whose images: auto (of all that are found), udocker, apptainer, charliecloud, docker or podman",
            "text",
            "PROGRAM",
            ("auto", "udocker", "apptainer", "charliecloud", "docker", "podman"),
        ),
        QUIET,
        DRY_RUN,
        FORMAT,
    ),
    arguments=(Argument("PATH", required=False, complete="directory"),),
    examples=(
        ("wherry import-store --dry-run", "what there is, how large, and what cannot be taken"),
        ("wherry import-store", "bring over all of it; what is here already is passed over"),
        ("wherry import-store --from udocker /old/home/.udocker", "from another folder than the usual one"),
    ),
    details=(
        "Looked at are ~/.udocker (UDOCKER_DIR), Apptainer's and Singularity's caches (APPTAINER_CACHEDIR ...), "
        "Charliecloud's storage (CH_IMAGE_STORAGE), and what docker and podman have. Layers are read where they lie, "
        "and compared with their digests. Nothing there is changed; a name that leads to another image here keeps it."
    ),
)
