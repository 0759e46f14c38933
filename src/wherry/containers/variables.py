"""``inspect --env``: which variables a command would find, and where each comes from."""

from __future__ import annotations

from wherry.base.errors import Conflict, NotFound
from wherry.containers import kept
from wherry.containers.resolving import MissingImage, resolve
from wherry.containers.world import World
from wherry.launch import BATCH_MARKERS, RunOptions, Variable

__all__ = ["environment"]


def environment(text: str, *, world: World | None = None) -> tuple[Variable, ...]:
    """The variables of a container, or of ``wherry run`` of an image, that a command would find now.

    What the caller's environment would pass on is left out where the caller has not set it; of several settings of one
    name only the one that counts is given. Raises :class:`NotFound` when it is neither.
    """
    world = world or World()
    options, name = _options(world, text)
    found = resolve(world, name, pull="never")
    if isinstance(found, MissingImage):
        raise NotFound(f"there is no container and no image '{text}' here", hint=f"wherry pull {text}")
    from wherry.image import view
    from wherry.launch import survey, variables_of

    image = found.image
    around = survey(world.outside, options, world.settings, image, world.host)
    return _effective(world, variables_of(options, image, view(image), world.host, world.settings, around))


def _options(world: World, text: str) -> tuple[RunOptions, str]:
    try:
        container = kept.find(world.containers, text)
    except Conflict:
        container = None
    if container is not None:
        return container.options, container.image_digest
    return RunOptions(image=text), text


def _effective(world: World, variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    found: dict[str, Variable] = {}
    in_job = any(world.outside.env(name) for name in BATCH_MARKERS)
    for variable in variables:
        if variable.how == "set":
            found[variable.name] = variable
        elif variable.how != "job" or in_job:
            found.update(_taken(world, variable))
    return tuple(found[name] for name in sorted(found))


def _taken(world: World, variable: Variable) -> dict[str, Variable]:
    """What the caller has of a name, or of a prefix that ends in ``*``."""
    if variable.name.endswith("*"):
        values = world.outside.envs(variable.name[:-1])
    else:
        value = world.outside.env(variable.name)
        values = {} if value is None else {variable.name: value}
    return {name: Variable(name, value, variable.source, variable.how) for name, value in values.items()}
