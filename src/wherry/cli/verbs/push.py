"""``wherry push``: send an image to a registry."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import AUTHFILE, CHANGES, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.moving import shown
    from wherry.containers import World
    from wherry.image import parse_source

    quiet, auth_file = given.flag("quiet"), given.text("authfile") or ""
    compression = given.text("compression") or ""
    target = given.words[1] if len(given.words) > 1 else ""
    source = parse_source(target) if target else None
    world = World(make_store=not given.flag("dry_run"))
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        if source is not None and source.transport == "oras":
            from wherry.containers import Change

            return foresee([Change("push", "sif", given.word, target)], given.text("format"))
        if source is not None and source.transport != "docker":
            place = containers.saved_as(given.word, source, world=world)
            return foresee(containers.plan_save(given.word, place, world=world), given.text("format"))
        return foresee(containers.plan_push(given.word, target, auth_file=auth_file, world=world), given.text("format"))
    with shown(quiet) as progress:
        if source is not None and source.transport == "oras":
            reference, digest = containers.push_artifact(
                given.word, source.place, auth_file=auth_file, progress=progress, world=world
            )
            shown_as = f"oras://{reference.familiar}"
        elif source is not None and source.transport != "docker":
            shown_as, digest = target, containers.copy_to(given.word, source, progress=progress, world=world)
        elif target:
            reference, digest = containers.push_as(
                given.word, target, auth_file=auth_file, compression=compression, progress=progress, world=world
            )
            shown_as = reference.familiar
        else:
            reference, digest = containers.push(
                given.word, auth_file=auth_file, compression=compression, progress=progress, world=world
            )
            shown_as = reference.familiar
    print(digest if quiet else f"{shown_as}: {digest}")
    return 0


VERB = Verb(
    "push",
    "send an image to a registry, or copy it where a transport says",
    _run,
    options=(
        AUTHFILE,
        Option(
            ("--compression",),
            "send layers that were made here or loaded uncompressed in this form; the image's digest is another there",
            "text",
            "gzip|zstd",
            ("gzip", "zstd"),
        ),
        QUIET,
        *CHANGES,
    ),
    arguments=(Argument("IMAGE", complete="image"), Argument("TARGET", required=False)),
    examples=(
        ("wherry tag analysis:1 registry.example.org/team/analysis:1", "give the image the registry's name"),
        ("wherry push registry.example.org/team/analysis:1", "send it; layers that are there are not sent again"),
        ("wherry push analysis:1 docker://registry.example.org/team/analysis:1", "both at once"),
        ("wherry push ./analysis.sif oras://registry.example.org/team/analysis:1", "a SIF file, as it is"),
        ("wherry push analysis:1 oci:layout:v1", "into an OCI layout; also docker-archive: oci-archive: dir:"),
        ("wherry push analysis:1 docker-daemon:analysis:1", "to the docker daemon; containers-storage: is podman's"),
    ),
)
