"""What this machine means for containers: the engine that a start will take, and why not each better one."""

from __future__ import annotations

import os

import msgspec

from wherry.base.errors import WherryError
from wherry.containers.world import World
from wherry.host import Machine, Obstacle, against, shortcomings, survey, usable_sites

__all__ = ["Diagnosis", "EngineState", "diagnose"]


class EngineState(msgspec.Struct, frozen=True):
    """``obstacles`` is empty where the engine can be used; ``program`` is the one of the host that it needs."""

    name: str
    obstacles: tuple[Obstacle, ...]
    program: str


class Diagnosis(msgspec.Struct, frozen=True):
    """``engine`` is the one that starts take, ``""`` where none can be used; ``forced`` the setting that names one.

    ``problems`` are what kept a part of the machine from being described.
    """

    machine: Machine
    engine: str
    forced: str
    engines: tuple[EngineState, ...]
    shortcomings: tuple[Obstacle, ...]
    problems: tuple[str, ...]


def diagnose(world: World, *, anew: bool = False) -> Diagnosis:
    """Survey this machine, with the store's and the scratch folders; known trials are only repeated when ``anew``."""
    problems: list[str] = []
    machine = survey(world.outside, world.settings, _folders(world, problems), anew=anew)
    wanted = world.settings.text("run.engine")
    return judge(machine, "" if wanted == "auto" else wanted, tuple(problems))


def judge(machine: Machine, forced: str, problems: tuple[str, ...] = ()) -> Diagnosis:
    """The same from the facts alone. Raises :class:`UsageError` when there is no engine named ``forced``."""
    from wherry.launch.engines import automatic_engines, engine_named, known_engines

    if forced:
        engine_named(forced)
    engines = tuple(_state(machine, name) for name in known_engines())
    usable = {engine.name for engine in engines if not engine.obstacles}
    chosen = next((name for name in ((forced,) if forced else automatic_engines()) if name in usable), "")
    return Diagnosis(machine, chosen, forced, engines, shortcomings(machine), problems)


def _state(machine: Machine, name: str) -> EngineState:
    programs = {
        "proot": machine.proot.path,
        "fakechroot": machine.interpose,
        "oci": machine.runtimes[0].path if machine.runtimes else "",
        "site": next((program.path for program in usable_sites(machine)), ""),
    }
    return EngineState(name, against(machine, name), programs.get(name, ""))


def _folders(world: World, problems: list[str]) -> dict[str, str]:
    """The store and where writable layers go; what cannot be had is told, not raised."""
    folders = {}
    try:
        folders["store"] = world.store.path
        if os.path.exists(f"{world.store.path}/format"):  # looking makes no store, and so no folder in it
            folders["scratch"] = world.scratch[0]
    except WherryError as error:
        problems.append(f"{error}" + (f"; next: {error.hint}" if error.hint else ""))
    return folders
