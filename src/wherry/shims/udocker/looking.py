"""``udocker images``, ``inspect``, ``verify`` and the like: what there is, in the form that scripts read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wherry.base.errors import Conflict, ImageError, NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.shims.udocker import protected
from wherry.shims.udocker import world as places

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.image import Image
    from wherry.store import Name

__all__ = [
    "do_help",
    "do_images",
    "do_inspect",
    "do_manifest",
    "do_search",
    "do_showconf",
    "do_verify",
    "do_version",
]

_VERSION = "1.3.17"
"""The udocker whose command line this is."""


def do_images(given: Given, general: Given) -> int:
    """One line an image: name and whether it is protected."""
    from wherry.store import listed

    world = places.open_world(general)
    if given.words:
        raise UsageError(f"syntax error at: {given.word}")
    kept = protected.names(world)
    if not general.flag("quiet"):
        print("REPOSITORY")
    for reference, name in sorted(listed(world.store).names, key=lambda entry: entry[0].familiar):
        sign = "P" if str(reference) in kept else "."
        shown = reference.familiar
        print(f"{_platform(world, reference):<18.18} {sign} {shown}" if given.flag("p") else f"{shown}    {sign}")
        if given.flag("l"):
            _print_layers(world, name)
    return 0


def _print_layers(world: World, name: Name) -> None:
    record = world.store.image_record(name.digest)
    layers = [world.store.find_layer(key) for key in record.layers] if record else []
    print(f" {world.store.path}")
    for layer in layers:
        if layer is not None:
            print(f"    /{layer.meta.diff_id} ({-(-layer.meta.size // (1 << 20))} MB)")


def _platform(world: World, reference: Reference) -> str:
    from wherry.image import open_image

    try:
        config = open_image(world.store, str(reference)).config
    except WherryError:
        return "unknown/unknown"
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)


def do_inspect(given: Given, general: Given) -> int:
    """The image's configuration as JSON, of a container too; ``-p``: where its root is on the host."""
    world = places.open_world(general)
    if len(given.words) != 1:
        raise UsageError("must specify a container or image", hint="udocker inspect NAME")
    found = places.find(world, given.word)
    if given.flag("p"):
        if found is not None and found.running is not None:
            print(f"/proc/{found.running.init_pid}/root")
            return 0
        why = "its files are those of its image and a layer with what was changed, put together while it runs"
        hint = "udocker export, or: wherry cp CONTAINER:PATH ."
        raise Conflict(f"there is no directory of '{given.word}' on the host", why=why, hint=hint)
    if found is not None and found.kept is not None:
        document = _configuration(world, found.kept.image_digest)
    else:
        document = _configuration(world, given.word)
    print(json.dumps(document, sort_keys=True, indent=4, separators=(",", ": ")))
    return 0


def _configuration(world: World, text: str) -> Any:
    try:
        return json.loads(world.store.read_blob(_held(world, text).manifest.config.digest))
    except NotFound:
        raise NotFound(f"image or container not found {text}", hint="'udocker images' and 'udocker ps'") from None


def _held(world: World, text: str) -> Image:
    from wherry.containers import held_image

    return held_image(world, text)


def do_verify(given: Given, general: Given) -> int:
    """Read all of an image and compare it with its digests."""
    from wherry.image import verify_image

    world = places.open_world(general)
    if len(given.words) != 1:
        raise UsageError("must specify image:tag or repository/image:tag")
    tell = (lambda text: None) if general.flag("quiet") else print
    tell(f"Info: verifying: {given.word}")
    for diff_id, good in verify_image(world.store, _held(world, given.word)):
        if good is False:
            why = f"{diff_id} is not what it was when it came"
            raise ImageError("image verification failure", why=why, hint=f"udocker rmi {given.word}, and pull it anew")
        tell(f"Info: layer {'ok' if good else 'was flattened, and cannot be compared'}: {diff_id}")
    tell("Info: image Ok")
    return 0


def do_search(given: Given, general: Given) -> int:
    """The tags of a repository; registries themselves cannot be searched."""
    from wherry.containers import reference_of
    from wherry.registry import connect

    world = places.open_world(general)
    if not given.flag("list_tags") or len(given.words) != 1:
        why = "Wherry asks registries, which list the tags of one repository and nothing else"
        raise UsageError("there is no search", why=why, hint="udocker search --list-tags REPOSITORY, or the web page")
    reference = reference_of(world, places.from_registry(world, given.word, given))
    with connect(world.settings, world.outside) as registry:
        for tag in registry.list_tags(reference):
            print(tag)
    return 0


def do_manifest(given: Given, general: Given) -> int:
    """``manifest inspect IMAGE``: what the registry has by that name."""
    from wherry.containers import reference_of
    from wherry.registry import connect

    world = places.open_world(general)
    if len(given.words) != 2 or given.word != "inspect":
        raise UsageError("must specify image:tag or repository/image:tag", hint="udocker manifest inspect IMAGE")
    reference = reference_of(world, places.from_registry(world, given.words[1], given))
    with connect(world.settings, world.outside) as registry:
        document = json.loads(registry.get_manifest(reference).data)
    print(json.dumps(document, sort_keys=True, indent=4, separators=(",", ": ")))
    return 0


def do_showconf(given: Given, general: Given) -> int:
    """Where all is kept."""
    world = places.open_world(general)
    lines = (
        "-" * 80,
        "\t\tConfiguration options",
        f"topdir = {world.store.path}",
        f"containersdir = {world.containers}",
    )
    print("\n".join((*lines, "engine = wherry", "-" * 80)))
    return 0


def do_version(given: Given, general: Given) -> int:
    """The version of the command line that is spoken, and Wherry's."""
    from wherry import __version__

    print(f"version: {_VERSION}\ntarball: none\ntarball_release: none\nwherry: {__version__}")
    return 0


def do_help(given: Given, general: Given) -> int:
    """The verbs, or the options of one."""
    from wherry.shims.udocker.words import GENERAL, OPTIONS

    verb = given.words[0] if given.words else ""
    if verb in OPTIONS:
        print(f"udocker {verb}")
        table = OPTIONS[verb]
    else:
        print("Syntax:\n  udocker  [general_options] <command>  [command_options]  <command_args>\n\nCommands:")
        print("\n".join(f"  {name}" for name in sorted(OPTIONS)) + "\n\nGeneral options:")
        table = GENERAL
    for option in table:
        print(f"  {', '.join(option.names)}{'' if option.kind == 'flag' else '='}".ljust(30) + f":{option.help}")
    return 0
