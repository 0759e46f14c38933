"""Further names of a kept container, a label that is given later, and its protection against removal."""

from __future__ import annotations

import msgspec

from wherry.base.errors import NotFound
from wherry.containers import kept
from wherry.containers.keeping import rename
from wherry.containers.kept import Container
from wherry.containers.lookup import kept_named
from wherry.containers.names import check_name, claim_name, owner, release_name
from wherry.containers.world import World

__all__ = ["add_name", "protect", "remove_name", "set_label"]


def add_name(name: str, new_name: str, *, world: World | None = None) -> None:
    """Let ``new_name`` lead to the container too; raise :class:`Conflict` when it is taken."""
    world = world or World()
    container = kept_named(world, name)
    if not container.name:
        rename(name, new_name, world=world)
        return
    check_name(new_name)
    claim_name(world.containers, new_name, container.id)
    _save(world, msgspec.structs.replace(container, aliases=(*container.aliases, new_name)))


def remove_name(name: str, *, world: World | None = None) -> None:
    """Take a name from its container, which stays; raise :class:`NotFound` when nobody has it."""
    world = world or World()
    container = owner(world.containers, name)
    if container is None:
        raise NotFound(f"no container has the name '{name}'", hint="'wherry ps -a' lists them all")
    aliases = tuple(alias for alias in container.aliases if alias != name)
    first = container.name
    if name == first:
        first, aliases = (aliases[0], aliases[1:]) if aliases else ("", ())
    options = msgspec.structs.replace(container.options, name=first or None)
    _save(world, msgspec.structs.replace(container, name=first, aliases=aliases, options=options))
    release_name(world.containers, name, container.id)


def protect(name: str, protected: bool, *, world: World | None = None) -> None:
    """Let no ``rm`` remove the container, or let it again."""
    world = world or World()
    _save(world, msgspec.structs.replace(kept_named(world, name), protected=protected))


def set_label(name: str, label: str, value: str, *, world: World | None = None) -> None:
    """Keep ``value`` under ``label`` with the container, over what was there."""
    world = world or World()
    container = kept_named(world, name)
    labels = {**dict(container.options.labels), label: value}
    options = msgspec.structs.replace(container.options, labels=tuple(labels.items()))
    _save(world, msgspec.structs.replace(container, options=options))


def _save(world: World, container: Container) -> None:
    kept.save(world.containers, container)
