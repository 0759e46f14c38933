"""Credentials for registries: keeping and forgetting them, each with its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.containers.changes import Change
from wherry.containers.images import chosen_auth_file
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.registry import Login

__all__ = ["login", "logout", "plan_login", "plan_logout"]


def login(host: str, name: str, password: str, *, auth_file: str = "", world: World | None = None) -> Login:
    """Try the credentials at the registry and keep them; raises what :func:`wherry.registry.login` raises."""
    from wherry.registry import login as log_in

    world = world or World()
    auth_file = chosen_auth_file(world, auth_file)
    return log_in(host, name, password, settings=world.settings, outside=world.outside, auth_file=auth_file)


def plan_login(host: str, *, auth_file: str = "", world: World | None = None) -> tuple[Change, ...]:
    """Where :func:`login` would keep what the registry accepts; asks nobody."""
    from wherry.registry import login_place

    world = world or World(make_store=False)
    auth_file = chosen_auth_file(world, auth_file)
    known, place = login_place(host, settings=world.settings, outside=world.outside, auth_file=auth_file)
    return (Change("keep", "credentials", known, place),)


def logout(host: str, *, auth_file: str = "", world: World | None = None) -> tuple[str, ...]:
    """Forget the credentials; the places that they were removed from."""
    return _logout(world or World(), host, auth_file, dry_run=False)


def plan_logout(host: str, *, auth_file: str = "", world: World | None = None) -> tuple[Change, ...]:
    """Where :func:`logout` would remove credentials from."""
    places = _logout(world or World(make_store=False), host, auth_file, dry_run=True)
    return tuple(Change("forget", "credentials", host, place) for place in places)


def _logout(world: World, host: str, auth_file: str, *, dry_run: bool) -> tuple[str, ...]:
    from wherry.registry import logout as log_out

    auth_file = chosen_auth_file(world, auth_file)
    return log_out(host, settings=world.settings, outside=world.outside, auth_file=auth_file, dry_run=dry_run)
