"""``wherry pull``: fetch images."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import AUTHFILE, CHANGES, PLATFORM, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.moving import shown
    from wherry.containers import World, fetch, reference_of

    world, quiet = World(make_store=not given.flag("dry_run")), given.flag("quiet")
    platform, authfile = given.text("platform"), given.text("authfile") or ""
    references = [reference_of(world, word) for word in given.words]
    if given.flag("dry_run"):
        from wherry.cli.previewing import show_pulls

        return show_pulls(world, references, platform, authfile, given.text("format"))
    for reference in references:
        with shown(quiet) as progress:
            image = fetch(world, reference, platform=platform, auth_file=authfile, progress=progress)
        print(image.digest if quiet else f"{reference.familiar}: {image.digest}", flush=True)
    return 0


VERB = Verb(
    "pull",
    "fetch images from a registry",
    _run,
    options=(
        PLATFORM,
        AUTHFILE,
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("IMAGE", many=True, complete="image"),),
    examples=(
        ("wherry pull debian:12", "fetch an image of Docker Hub"),
        ("wherry pull -q quay.io/biocontainers/samtools:1.20--h50ea8bc_0", "without progress; prints the digest"),
        ("wherry pull --dry-run debian:12", "how much would come, and how much room it would take"),
        ("wherry pull --platform linux/arm64 debian:12", "fetch it for another machine"),
    ),
    details="Every byte is compared with its digest. Layers that another image brought are not fetched again.",
)
