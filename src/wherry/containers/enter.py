"""``exec``: a further process in a container that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import msgspec

from wherry.base.errors import Conflict
from wherry.containers.lookup import must_run
from wherry.containers.running import Running
from wherry.containers.starting import Start
from wherry.containers.using import group_of
from wherry.containers.world import World
from wherry.launch import ExecOptions, Membership, plan_exec, with_inputs

if TYPE_CHECKING:
    from wherry.host import Control

__all__ = ["exec_", "membership_of", "prepare_exec", "scratch_of"]


def exec_(options: ExecOptions, *, world: World | None = None) -> NoReturn:
    """Execute a command in a running container and become its launcher."""
    prepare_exec(options, world=world).execute()


def prepare_exec(options: ExecOptions, *, world: World | None = None) -> Start:
    """Everything up to the launcher. Raises :class:`NotFound`, :class:`Conflict` when it does not run here."""
    world = world or World()
    found, running = must_run(world, options.container)
    membership = membership_of(running, found.shown)
    group = group_of(running)
    plan = plan_exec(
        options,
        membership,
        world.host,
        paths=world.paths(),
        running=running.path,
        scratch=scratch_of(membership),
        init=running.init_pid,
        group=group,
        control=_control(world) if "/user@" in group[1] else None,
    )
    return Start(with_inputs(plan, world.outside), options.command, None, found.id)


def _control(world: World) -> Control:
    from wherry.host import find_control

    return find_control(world.outside, world.host.uid)


def membership_of(running: Running, shown: str) -> Membership:
    """What its start line says to those who want to enter; raises :class:`Conflict` for another version's."""
    try:
        return msgspec.json.decode(running.details, type=Membership)
    except msgspec.MsgspecError:
        raise Conflict(
            f"cannot enter container '{shown}'",
            why="another version of Wherry started it",
            hint="enter it with that version, or start it again",
        ) from None


def scratch_of(membership: Membership) -> str:
    """The scratch folder of a running container without namespaces; empty for one that has them."""
    wrapped = membership.join.wrapped
    folders = [f"{parent}/{membership.id}" for parent in (wrapped.parents if wrapped else ())]
    return next((folder for folder in folders if os.path.isdir(folder)), "")
