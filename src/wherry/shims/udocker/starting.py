"""``udocker create`` and ``run``: a container that stays, or with ``--rm`` one that goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import msgspec

from wherry.base.errors import Conflict, NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.launch.options import RunOptions
from wherry.shims.udocker import world as places
from wherry.shims.udocker.keeping import execmode

if TYPE_CHECKING:
    from wherry.containers import Found, World

__all__ = ["do_create", "do_run", "run"]


def do_create(given: Given, general: Given) -> int:
    """Make a container and print its id."""
    from wherry import containers
    from wherry.cli.moving import shown

    world, name = places.open_world(general), given.text("name") or ""
    if len(given.words) != 1:
        raise UsageError("must specify image:tag or repository/image:tag")
    if name and places.find(world, name) is not None:
        if not given.flag("force"):
            raise Conflict("container name already exists", hint=f"udocker rm {name}, or another name")
        name = ""  # as udocker: the other one keeps it
    options = RunOptions(image=given.word, name=name or None, pull="never", user="image", log=False)
    with shown(quiet=True) as progress:
        container_id = containers.create(options, world=world, progress=progress)
    print(places.uuid(container_id))
    return 0


def do_run(given: Given, general: Given) -> int:
    """``run`` without a container or image: only with ``--location``."""
    if not given.text("location"):
        raise UsageError("must specify container_id or image:tag", hint="udocker run NAME COMMAND")
    return run(given, general, ())


def run(given: Given, general: Given, prefix: tuple[str, ...]) -> NoReturn:
    """Become the container. ``prefix`` are all words up to and including its name, or its image's."""
    from wherry.shims.udocker.options import run_options

    world = places.open_world(general)
    quiet = general.flag("quiet") or given.flag("nobanner")
    text = "" if given.text("location") else given.word
    found = _existing(world, given, text)
    options = run_options(given, world, image=text)
    if given.text("cpuset_cpus"):
        _keep_to(given.text("cpuset_cpus") or "")
        prefix = ()  # the front would not do that
    if given.text("location") or (found is None and given.flag("rm")):
        options = options if given.text("location") else _with_image(options, world, given)
        options = msgspec.structs.replace(options, banner="" if quiet else _banner(options.image))
        _start(prefix, options, world, general)
    _run_kept(world, given, options, found, prefix=prefix, quiet=quiet)


def _existing(world: World, given: Given, text: str) -> Found | None:
    name = given.text("name") or ""
    named = places.find(world, name) if name else None
    if given.text("pull") == "reuse" and named is not None:
        return named
    found = places.find(world, text) if text else None
    if named is not None and (found is None or named.id != found.id):
        raise Conflict("invalid container name", why=f"'{name}' is another container's", hint="--pull=reuse runs that")
    return found


def _start(prefix: tuple[str, ...], options: RunOptions, world: World, general: Given) -> NoReturn:
    from wherry.cli.becoming import become

    become(options, world, ("udocker", *prefix) if prefix else (), quiet=general.flag("quiet"))


def _run_kept(
    world: World,
    given: Given,
    options: RunOptions,
    found: Found | None,
    *,
    prefix: tuple[str, ...],
    quiet: bool,
) -> NoReturn:
    from wherry import containers
    from wherry.cli.moving import shown

    name = given.text("name")
    if found is None:
        made = _with_image(options, world, given)
        with shown(quiet) as progress:
            container_id = containers.create(
                msgspec.structs.replace(made, name=name, remove=False), world=world, progress=progress
            )
    else:
        container_id = found.id
        assert found.kept is not None
        if name and name not in found.kept.names:
            containers.add_name(found.id, name, world=world)
        if given.flag("rm") and found.kept.protected:
            options = msgspec.structs.replace(options, remove=False)
    options = msgspec.structs.replace(
        options,
        env=(*_about(world, container_id, options), *options.env),
        banner="" if quiet else _banner(places.uuid(container_id)),
    )
    saved = ("udocker", *prefix) if prefix and found is not None else ()
    containers.prepare_again(container_id, options, world=world, prefix=saved).execute()


def _with_image(options: RunOptions, world: World, given: Given) -> RunOptions:
    """The image that is held by this name, or the one of the registry that was named."""
    from wherry import containers

    try:
        containers.held_image(world, options.image)
        named = options.image
    except WherryError:
        named = places.from_registry(world, options.image, given)
        if options.pull == "never":
            raise NotFound("image or container not available", hint=f"udocker pull {options.image}") from None
    return msgspec.structs.replace(options, image=named)


def _about(world: World, container_id: str, options: RunOptions) -> tuple[str, ...]:
    """The variables by which programs inside learn which container it is."""
    from wherry.containers import find_container

    kept = find_container(world, container_id).kept
    assert kept is not None
    names = ",".join(kept.names)
    shown = places.uuid(container_id)
    sign = "#" if options.user in ("root", "image") else "$"
    return (
        f"container_ruser={world.host.user}",
        f"container_uuid={shown}",
        f"container_names={names}",
        f"container_execmode={execmode(kept)}",
        "SHLVL=0",
        f"PS1={shown[:8]}{sign} ",
    )


def _keep_to(text: str) -> None:
    """Run on these processors only, as ``1,2,4-7`` says."""
    chosen: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen.update(range(int(first), int(last or first) + 1))
        os.sched_setaffinity(0, chosen)
    except (ValueError, OSError) as error:
        why = "these processors cannot be had" if isinstance(error, OSError) else "it is no list of processors"
        raise UsageError(f"--cpuset-cpus={text} cannot be", why=why, hint="as --cpuset-cpus=0-3,6") from None


def _banner(shown: str) -> str:
    """udocker's, up to the name of the program."""
    edge, empty, middle = "*" * 78, f"*{' ' * 76}*", f"*{f'STARTING {shown}'.center(76)}*"
    return "\n".join((" ", *(f" {line} " for line in (edge, empty, middle, empty, edge)), " executing: "))
