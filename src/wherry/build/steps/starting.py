"""How a step's command is started: the options of its container, made of the step, its mounts and this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.build.graph import RunStep
from wherry.build.made import Made
from wherry.build.mounting import mounted
from wherry.build.site import Site
from wherry.build.steps.shown import directory_of_mount
from wherry.build.surroundings import surrounded
from wherry.build.who import home_of
from wherry.image import Image, Tree

if TYPE_CHECKING:
    from wherry.containers import Start
    from wherry.launch import Bind, RunOptions

__all__ = ["as_image", "planned", "prepared"]


@contextmanager
def prepared(
    site: Site, step: RunStep, parent: Made, done: dict[int, Made], work: str, shell: tuple[str, ...] = ()
) -> Iterator[Start]:
    """The start, planned; what its mounts hold is let go when the block ends. ``shell`` takes the command's place, with
    the caller's terminal."""
    below = site.below(parent.layers).view
    with mounted(
        site,
        step,
        work,
        lambda mount: directory_of_mount(site, mount, done, work),
    ) as shown:
        plain = _options(site, step, below, work)
        own = surrounded(plain, below, site.here.epoch, site.shown, site.authorities)
        options = shown.added_to(own)
        if site.here.owners == "range":
            from wherry.build.steps.ranged import layer_of_owners

            options = msgspec.structs.replace(options, extra_layers=(*options.extra_layers, layer_of_owners(work)))
        if shell:
            options = msgspec.structs.replace(options, command=shell, interactive=True, terminal=True)
        start = planned(site, options, parent, step.origin.stage, step.platform, work)
        for note in start.plan.notes:
            site.note(note)
        start = msgspec.structs.replace(start, secrets=shown.secrets)
        if site.here.owners != "range":
            yield start
            return
        from wherry.build.steps.ranged import ranged

        with ranged(site, parent, start, work):
            yield start


def planned(site: Site, options: RunOptions, made: Made, stage: str, platform: str, work: str) -> Start:
    """The start of a command upon the files so far, whose changes lie in ``work``: over them, or in a draft."""
    from wherry.containers import prepare_step

    image, below = as_image(made, stage, platform), site.below(made.layers)
    if site.drafts is None:
        with site.planning:
            return prepare_step(site.world, options, image, below)
    from wherry.build.steps.drafted import drafted, show_names

    options, image = drafted(site.drafts, image, options, work)
    with site.planning:
        start = prepare_step(site.world, options, image, below)
    show_names(site.drafts, start, work)
    return start


def _options(site: Site, step: RunStep, below: Tree, work: str) -> RunOptions:
    from wherry.build.owners import as_owner
    from wherry.launch import RunOptions

    given = site.here.options
    options = RunOptions(
        command=step.command,
        entrypoint=(),
        env=(*step.quiet_env, f"HOME={home_of(step.user, below)}", *step.env),
        binds=_scripts(step, work),
        bare_env=True,
        as_built=True,
        workdir=step.directory,
        network=step.network,
        here=False,
        home=False,
        upper=work,
        hosts=given.hosts,
        memory=given.memory,
        pids_limit=given.pids_limit,
        umask=0o022,
        log=False,
    )
    return as_owner(options, site.here.owners, step.user)


def _scripts(step: RunStep, work: str) -> tuple[Bind, ...]:
    """The recipe's own scripts (heredocs), as files that can be executed; below /dev, which is never the image's."""
    from wherry.launch import Bind

    found = []
    for number, (path, content) in enumerate(step.files):
        place = f"{work}/script-{number}"
        with open(place, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o755)
        found.append(Bind(place, path, read_only=True))
    return tuple(found)


def as_image(made: Made, stage: str, platform: str) -> Image:
    """The files so far, as an image that can be started; an empty platform is this machine's."""
    from wherry.base.digest import Digest
    from wherry.image import ContainerConfig, Descriptor, ImageConfig, Manifest, Platform, RootFilesystem, here

    digest = Digest.of(" ".join(map(str, made.diff_ids)).encode())
    known = Platform.parse(platform) if platform else here()
    config = ImageConfig(
        architecture=known.architecture,
        os=known.os,
        variant=known.variant,
        config=ContainerConfig(),
        rootfs=RootFilesystem("layers", made.diff_ids),
    )
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = Manifest(media_type, Descriptor("", digest, 0), ())
    return Image(f"stage {stage}", digest, media_type, manifest, config, made.layers)
