"""Containers and images as Docker's users name them, and one thing done to several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry import containers
from wherry.base.errors import InvalidName, NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.failing import Missing, report
from wherry.shims.docker.naming import name_for

if TYPE_CHECKING:
    from wherry.containers import Found, World
    from wherry.image import Image

__all__ = ["chosen", "container", "each", "image", "image_name", "shown_name"]


def container(world: World, text: str) -> Found:
    """By name, id, beginning of an id, or the name that a container without one is shown with."""
    plain = text.removeprefix("/")
    try:
        return containers.find_container(world, plain)
    except NotFound:
        pass
    for running in containers.running_containers(world.runtime):
        if not running.start.name and name_for(running.id) == plain:
            return containers.find_container(world, running.id)
    raise Missing("container", text)


def chosen(world: World, given: Given) -> tuple[Found, tuple[str, ...]]:
    """The container of a verb that has one: the first word or podman's ``--latest``; and the words after it."""
    if given.flag("latest"):
        found = containers.ps(all=True, world=world)
        if not found:
            raise Missing("container", "")
        return container(world, found[0].id), given.words
    if not given.words:
        raise UsageError("requires at least 1 argument: a container", hint="ps -a lists them")
    return container(world, given.words[0]), given.words[1:]


def shown_name(container_id: str, name: str) -> str:
    """Docker shows no container without a name."""
    return name or name_for(container_id)


def image(world: World, text: str) -> Image:
    """By name, by the beginning of Docker's ID, or by digest; contacts nobody."""
    try:
        return containers.held_image(world, image_name(world, text))
    except (NotFound, InvalidName):
        raise Missing("image", text) from None


def image_name(world: World, text: str) -> str:
    """What Wherry calls it: an ID is Docker's word for the configuration, and Wherry's is the manifest."""
    if containers.is_digits(text) or (text.isalnum() and 4 <= len(text) < 6):
        digest = containers.image_by_config(world, text)
        if digest is not None:
            return str(digest)
    return containers.held_name(world, text)


def each(call: Call, words: tuple[str, ...], do: Callable[[str], str | None]) -> int:
    """Call ``do`` for each word and print what it gives, the word itself for None; the worst status."""
    status = 0
    for word in words:
        try:
            result = do(word)
        except WherryError as error:
            status = report(call, error)
            continue
        if result != "":
            print(word if result is None else result, flush=True)
    return status
