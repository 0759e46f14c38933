"""``inspect``: Docker's documents of containers, images, volumes and networks; a template names parts of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from wherry import containers
from wherry.base.errors import NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.cli.template import render
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import TEXT, Asked, Command, done
from wherry.shims.docker.documents import container_document, image_document, network_document, volume_document
from wherry.shims.docker.failing import Missing, report
from wherry.shims.docker.finding import container, image

if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.containers import World

__all__ = ["COMMANDS", "show"]


def _inspect(call: Call, given: Given) -> int:
    kind = given.text("type") or ""
    kinds: dict[str, tuple[str, ...]] = {
        "": ("container", "image", "volume", "network"),
        "all": ("container", "image", "volume", "network"),
        **{name: (name,) for name in ("container", "image", "volume", "network")},
    }
    if kind not in kinds:
        raise UsageError(f'"{kind}" is not a valid value for --type', hint="container, image, network or volume")
    return show(call, given, kinds[kind])


def _containers(call: Call, given: Given) -> int:
    return show(call, given, ("container",))


def _images(call: Call, given: Given) -> int:
    return show(call, given, ("image",))


def show(call: Call, given: Given, kinds: tuple[str, ...]) -> int:
    """One document a word: a JSON list of all, or each by the template; what is missing is said after those."""
    world = containers.World()
    found, errors = [], []
    for word in given.words:
        try:
            found.append(_document(call, world, word, kinds, sizes=given.flag("size")))
        except WherryError as error:
            errors.append(error)
    form = given.text("format")
    if not form or form == "json":
        data = msgspec.json.encode(found)
        print(data.decode() if form == "json" else msgspec.json.format(data, indent=4).decode())
    else:
        for document in found:
            print(render(form, document))
    sys.stdout.flush()
    return max((report(call, error) for error in errors), default=0)


def _document(call: Call, world: World, word: str, kinds: tuple[str, ...], *, sizes: bool) -> dict[str, Any]:
    for kind in kinds:
        try:
            return _READ[kind](call, world, word, sizes)
        except NotFound:
            continue
    raise Missing(kinds[0] if len(kinds) == 1 else "object", word)


_READ: dict[str, Callable[[Call, World, str, bool], dict[str, Any]]] = {
    "container": lambda call, world, word, sizes: container_document(call, world, container(world, word), sizes=sizes),
    "image": lambda call, world, word, sizes: image_document(call, world, image(world, word)),
    "volume": lambda call, world, word, sizes: volume_document(containers.find_volume(world, word)),
    "network": lambda call, world, word, sizes: network_document(word),
}

_FORMAT = done("-f", "--format", kind=TEXT)
_SIZE = done("-s", "--size")
_LATEST = Asked(("-l", "--latest"), "flag", "refused", "a name is needed", "podman ps -lq tells it", "podman")

COMMANDS = {
    "inspect": Command(
        _inspect,
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "Return low-level information on Docker objects",
        (_FORMAT, _SIZE, _LATEST, done("-t", "--type", kind=TEXT)),
        least=1,
        most=-1,
    ),
    "container inspect": Command(
        _containers,
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Display detailed information on containers",
        (_FORMAT, _SIZE, _LATEST),
        least=1,
        most=-1,
    ),
    "image inspect": Command(
        _images,
        "[OPTIONS] IMAGE [IMAGE...]",
        "Display detailed information on images",
        (_FORMAT, Asked(("--platform",), TEXT, "idle", only="docker")),
        least=1,
        most=-1,
    ),
}
