"""podman's ``exists``: status 0 or 1, and no word."""

from __future__ import annotations

from wherry import containers
from wherry.base.errors import NotFound
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import Asked, Command
from wherry.shims.docker.documents import network_document
from wherry.shims.docker.finding import container, image

__all__ = ["COMMANDS"]


def _container(call: Call, given: Given) -> int:
    return _exists(lambda world: container(world, given.words[0]))


def _image(call: Call, given: Given) -> int:
    return _exists(lambda world: image(world, given.words[0]))


def _volume(call: Call, given: Given) -> int:
    return _exists(lambda world: containers.find_volume(world, given.words[0]))


def _network(call: Call, given: Given) -> int:
    return _exists(lambda world: network_document(given.words[0]))


def _exists(look: object) -> int:
    assert callable(look)
    try:
        look(containers.World())
    except NotFound:
        return 1
    return 0


COMMANDS = {
    "container exists": Command(
        _container,
        "CONTAINER",
        "Check if a container exists",
        (Asked(("--external",), "flag", "idle"),),
        least=1,
        most=1,
    ),
    "image exists": Command(_image, "IMAGE", "Check if an image exists", least=1, most=1),
    "volume exists": Command(_volume, "VOLUME", "Check if a volume exists", least=1, most=1),
    "network exists": Command(_network, "NETWORK", "Check if a network exists", least=1, most=1),
}
