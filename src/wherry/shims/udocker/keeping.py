"""``udocker ps``, ``rm``, names, ``clone``, protection and ``setup``: what is done to containers that stay."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from wherry.base.errors import Conflict, NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.shims.udocker import protected
from wherry.shims.udocker import world as places

if TYPE_CHECKING:
    from wherry.containers import Container, World

__all__ = [
    "do_clone",
    "do_name",
    "do_protect",
    "do_ps",
    "do_rename",
    "do_rm",
    "do_rmname",
    "do_setup",
    "do_unprotect",
    "execmode",
]

_MODE = "udocker.execmode"
_FIRST_MODE = "P1"
_MODES = re.compile(r"P[12]|F[1-4]|R[1-3]|S1")


def do_ps(given: Given, general: Given) -> int:
    """One line a container: id, protected, writable, and as asked mode, megabytes, platform; names, image."""
    from wherry.containers import kept_containers

    world = places.open_world(general)
    wanted = (("m", "MOD ", "%2.2s "), ("s", "SIZE ", "%5.5s "), ("p", "PLATFORM           ", "%-18.18s "))
    chosen = [entry for entry in wanted if given.flag(entry[0])]
    header = "%-36.36s %c %c " + "".join(text for _, text, _ in chosen) + "%-18s %-20.20s"
    print(header % ("CONTAINER ID", "P", "M", "NAMES", "IMAGE"))
    form = "%-36.36s %c %c " + "".join(text for *_, text in chosen) + "%-18.100s %-20.100s"
    for found in sorted(kept_containers(world.containers), key=lambda container: container.created):
        fields = [_fact(world, found, letter) for letter, _, _ in chosen]
        names = str(list(found.names)) if found.names else ""
        sign = "P" if found.protected else "."
        print(form % (places.uuid(found.id), sign, "W", *fields, names, places.image_shown(found.image)))
    return 0


def _fact(world: World, found: Container, letter: str) -> str:
    if letter == "m":
        return execmode(found)
    return str(_megabytes(world, found)) if letter == "s" else _platform(world, found)


def do_rm(given: Given, general: Given) -> int:
    """Remove containers; all are tried."""
    from wherry import containers

    world, status = places.open_world(general), 0
    if not given.words:
        raise UsageError("must specify container id or name")
    for word in given.words:
        try:
            found = places.container(world, word)
            if found.kept is not None and found.kept.protected:
                raise Conflict("container is protected", hint=f"udocker unprotect {word}")
            if not general.flag("quiet"):
                print(f"Info: deleting container: {places.uuid(found.id)}", flush=True)
            containers.rm(found.id, force=given.flag("force"), world=world)
        except WherryError as error:
            print(f"Error: {error}", file=sys.stderr)
            status = 1
    return status


def do_name(given: Given, general: Given) -> int:
    """One more name."""
    from wherry import containers

    world = places.open_world(general)
    word, name = _two(given, "CONTAINER NAME")
    containers.add_name(places.container(world, word).id, name, world=world)
    return 0


def do_rename(given: Given, general: Given) -> int:
    """Another name in place of one."""
    from wherry import containers

    world = places.open_world(general)
    name, new_name = _two(given, "NAME NEW_NAME")
    found = places.container(world, name)
    if places.find(world, new_name) is not None:
        raise Conflict("new name already exists", hint=f"udocker rmname {new_name}")
    containers.add_name(found.id, new_name, world=world)
    containers.remove_name(name, world=world)
    return 0


def do_rmname(given: Given, general: Given) -> int:
    """A name less."""
    from wherry import containers

    if len(given.words) != 1:
        raise UsageError("invalid container id or name", hint="udocker rmname NAME")
    containers.remove_name(given.word, world=places.open_world(general))
    print(f"Info: container name: {given.word} removed.")
    return 0


def do_clone(given: Given, general: Given) -> int:
    """A container with the same files; print its id."""
    from wherry import containers

    world = places.open_world(general)
    if len(given.words) != 1:
        raise UsageError("invalid container id", hint="udocker clone --name=NEW CONTAINER")
    found = places.container(world, given.word)
    print(places.uuid(containers.clone(found.id, given.text("name") or "", world=world)))
    return 0


def do_protect(given: Given, general: Given) -> int:
    """Let nobody remove it."""
    return _protect(given, general, protect=True)


def do_unprotect(given: Given, general: Given) -> int:
    """Let it be removed again."""
    return _protect(given, general, protect=False)


def _protect(given: Given, general: Given, *, protect: bool) -> int:
    from wherry import containers

    world = places.open_world(general)
    if len(given.words) != 1:
        raise UsageError("must specify a container or image", hint="udocker protect NAME")
    found = places.find(world, given.word)
    if found is not None:
        containers.protect(found.id, protect, world=world)
    else:
        protected.change(world, given.word, protect=protect)
    return 0


def do_setup(given: Given, general: Given) -> int:
    """Note an execution mode, or tell it. The engine is Wherry's choice: a mode here is what somebody asked for."""
    from wherry import containers

    world = places.open_world(general)
    if len(given.words) != 1:
        raise UsageError("invalid container id", hint="udocker setup --execmode=F3 CONTAINER")
    found = places.container(world, given.word)
    assert found.kept is not None
    if given.flag("nvidia"):
        why = "Wherry does not prepare GPU libraries yet"
        raise UsageError("setup --nvidia cannot be honoured", why=why, hint="bind driver and libraries with -v")
    mode = (given.text("execmode") or "").upper()
    if mode and not _MODES.fullmatch(mode):
        raise UsageError(f"invalid execmode: {mode}", hint="P1, P2, F1 to F4, R1 to R3 or S1")
    if mode and found.kept.protected:
        raise Conflict("container is protected", hint=f"udocker unprotect {given.word}")
    if mode:
        containers.set_label(found.id, _MODE, mode, world=world)
        if not general.flag("quiet"):
            print("Info: Wherry chooses how the container is made; WHERRY_RUN_ENGINE names an engine")
    elif not (given.flag("force") or given.flag("purge") or given.flag("fixperm")):
        print(f"execmode: {execmode(found.kept)}\nnvidiamode: False")
    return 0


def execmode(container: Container) -> str:
    """The execution mode that somebody asked for, else udocker's first."""
    return dict(container.options.labels).get(_MODE, _FIRST_MODE)


def _megabytes(world: World, container: Container) -> int:
    """Of what the container holds beside its image, which is shared."""
    from wherry.containers import plan_rm

    size = 0
    if not container.protected:
        size = sum(change.bytes or 0 for change in plan_rm(container.id, force=True, world=world))
    return -(-size // (1 << 20))


def _platform(world: World, container: Container) -> str:
    from wherry.containers import held_image

    try:
        config = held_image(world, container.image_digest).config
    except (NotFound, WherryError):
        return "unknown/unknown"
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)


def _two(given: Given, what: str) -> tuple[str, str]:
    if len(given.words) != 2:
        raise UsageError("invalid container id or name", hint=f"it takes {what}")
    return given.words[0], given.words[1]
