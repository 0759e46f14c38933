"""``wherry pull``: fetch images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import AUTHFILE, CHANGES, PLATFORM, QUIET

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.base.errors import UsageError
    from wherry.cli.artifacts import artifact
    from wherry.cli.moving import shown
    from wherry.containers import World, artifact_of, fetch, load, reference_of, source_meant

    world, quiet = World(make_store=not given.flag("dry_run")), given.flag("quiet")
    platform, authfile = given.text("platform"), given.text("authfile") or ""
    if given.flag("dry_run"):
        return _foreseen(world, given, platform, authfile)
    output = given.text("output")
    if output and (len(given.words) > 1 or not artifact_of(given.words[0])):
        raise UsageError(
            "--output is of a SIF file", why="it takes one name, oras://REGISTRY/NAME", hint="wherry pack IMAGE FILE"
        )
    for word in given.words:
        with shown(quiet) as progress:
            if artifact_of(word):
                path = artifact(world, word, output=output, auth_file=authfile, progress=progress)
                lines = [(word, path)]
            elif source_meant(word) is not None:
                images = load(word, platform=platform, progress=progress, world=world)
                lines = [(image.reference or word, str(image.digest)) for image in images]
            else:
                reference = reference_of(world, word)
                image = fetch(world, reference, platform=platform, auth_file=authfile, progress=progress)
                lines = [(reference.familiar, str(image.digest))]
        for name, what in lines:
            print(what if quiet else f"{name}: {what}", flush=True)
    return 0


def _foreseen(world: World, given: Given, platform: str | None, authfile: str) -> int:
    from wherry.cli.previewing import show_pulls
    from wherry.containers import plan_load, reference_of, source_meant

    elsewhere = [word for word in given.words if source_meant(word) is not None]
    if elsewhere:
        from wherry.cli.foreseeing import foresee_each

        if len(elsewhere) < len(given.words):
            from wherry.base.errors import UsageError

            raise UsageError("a dry run shows registries' images or others", hint="name them one after the other")
        return foresee_each(elsewhere, lambda word: plan_load(word, world=world), given.text("format"))
    references = [reference_of(world, word) for word in given.words]
    return show_pulls(world, references, platform, authfile, given.text("format"))


VERB = Verb(
    "pull",
    "fetch images from a registry",
    _run,
    options=(
        PLATFORM,
        AUTHFILE,
        Option(("-o", "--output"), "of oras://: write the SIF file to FILE, too", "text", "FILE", complete="file"),
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("IMAGE", many=True, complete="image"),),
    examples=(
        ("wherry pull debian:12", "fetch an image of Docker Hub"),
        ("wherry pull -q quay.io/biocontainers/samtools:1.20--h50ea8bc_0", "without progress; prints the digest"),
        ("wherry pull docker-daemon:lab:1", "take one from the docker daemon; also oci: docker-archive: https://..."),
        ("wherry pull -o lab.sif oras://registry.example.org/team/lab:1", "a SIF file that a registry holds"),
        ("wherry pull --dry-run debian:12", "how much would come, and how much room it would take"),
        ("wherry pull --platform linux/arm64 debian:12", "fetch it for another machine"),
    ),
    details="Every byte is compared with its digest. Layers that another image brought are not fetched again.",
)
