"""``cache`` and ``delete``: images that were fetched lie in Wherry's store, whatever ``APPTAINER_CACHEDIR`` says."""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.singularity.given import tell

__all__ = ["do_clean", "do_delete", "do_list"]


def do_list(face: str, given: Given, *, quiet: bool) -> int:
    """How many images there are, and the room that they take."""
    from wherry.containers import World
    from wherry.store import human, usage

    found = usage(World().store)
    size, blobs = human(found.total), f"{found.blobs} oci blob file(s) using {human(found.blobs_size)}"
    print(f"There are {found.images} container file(s) using {size} and {blobs} of space")
    print(f"Total space used: {size}")
    return 0


def do_clean(face: str, given: Given, *, quiet: bool) -> int:
    """Remove what no name leads to: the store is not this program's alone, so images with a name stay."""
    from wherry import containers
    from wherry.store import human

    if given.text("days") or given.many("type"):
        tell("'--days' and '--type' are passed over: what nothing needs is removed")
    if given.flag("dry_run"):
        for change in containers.plan_prune():
            print(f"would {change.action} {change.kind} {change.name}")
        return 0
    print(f"Removed what nothing needs: {human(containers.prune().bytes)}")
    return 0


def do_delete(face: str, given: Given, *, quiet: bool) -> int:
    """Of a library, which is not reached."""
    why = "the Sylabs library speaks a protocol of its own"
    raise UsageError(f"cannot delete '{given.word}'", why=why, hint="a file is removed with rm")
