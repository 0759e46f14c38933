"""``wherry pull``: fetch images."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import AUTHFILE, PLATFORM, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.moving import shown
    from wherry.cli.naming import reference_of
    from wherry.containers import World
    from wherry.image import pull
    from wherry.registry import connect

    world, quiet = World(), given.flag("quiet")
    references = [reference_of(world, word) for word in given.words]
    with connect(world.settings, world.outside, auth_file=given.text("authfile") or "") as registry:
        for reference in references:
            with shown(quiet) as progress:
                image = pull(world.store, registry, reference, platform=given.text("platform"), progress=progress)
            print(image.digest if quiet else f"{reference.familiar}: {image.digest}", flush=True)
    return 0


VERB = Verb(
    "pull",
    "fetch images from a registry",
    _run,
    options=(PLATFORM, AUTHFILE, QUIET),
    arguments=(Argument("IMAGE", many=True, complete="image"),),
    examples=(
        ("wherry pull debian:12", "fetch an image of Docker Hub"),
        ("wherry pull -q quay.io/biocontainers/samtools:1.20--h50ea8bc_0", "without progress; prints the digest"),
        ("wherry pull --platform linux/arm64 debian:12", "fetch it for another machine"),
    ),
    details="Every byte is compared with its digest. Layers that another image brought are not fetched again.",
)
