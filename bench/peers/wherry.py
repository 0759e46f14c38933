"""Wherry, as installed, with a store of the benchmark's own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from measuring import Command
from workplace import Workplace, program, remove


def environment(at: Workplace, store: str = "store") -> dict[str, str]:
    folder = at.folder / "wherry"
    places = {"WHERRY_STORE": store, "XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
    for name in places.values():
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {**at.environment, **{variable: str(folder / name) for variable, name in places.items()}}


def prepare(at: Workplace, name: str) -> None:
    env = environment(at)
    subprocess.run(
        [program("wherry"), "pull", "-q", at.reference(name)], check=True, env=env, stdout=subprocess.DEVNULL
    )
    subprocess.run([program("wherry"), "tag", at.reference(name), name], check=True, env=env, stdout=subprocess.DEVNULL)


def start(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    return Command([program("wherry"), "run", *options, name, *argv], environment(at), cwd)


def start_in_session(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    """The same with plans on a tmpfs, where login managers put a user's runtime directory."""
    session = at.memory / "session"
    session.mkdir(parents=True, exist_ok=True, mode=0o700)
    env = {**environment(at), "XDG_RUNTIME_DIR": str(session)}
    return Command([program("wherry"), "run", *options, name, *argv], env, cwd)


def start_in_memory(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    """The same with plans and the writable layer on a tmpfs: plans as with a login manager, the layer as where
    ``run.scratch`` names one. Some disks take longer to remove a folder than a start takes."""
    memory = at.memory / "wherry"
    (memory / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    (memory / "scratch").mkdir(exist_ok=True, mode=0o700)
    env = {**environment(at), "XDG_RUNTIME_DIR": str(memory / "run"), "WHERRY_SCRATCH": str(memory / "scratch")}
    return Command([program("wherry"), "run", *options, name, *argv], env, cwd)


def forget_plans(at: Workplace) -> None:
    """Make the next start a cold one: no plan is saved."""
    remove(at.folder / "wherry" / "run" / "wherry" / "plans")


def forget_all(at: Workplace) -> None:
    """Make the next start the first since the machine booted: no plan, no facts about the host."""
    remove(at.folder / "wherry" / "run")
    environment(at)


def pull(at: Workplace, name: str) -> Command:
    return Command([program("wherry"), "pull", "-q", at.reference(name)], environment(at, "pulled"))


def forget(at: Workplace) -> None:
    remove(at.folder / "wherry" / "pulled")


def plans(at: Workplace) -> list[Path]:
    return [path for path in (at.folder / "wherry" / "run").rglob("*") if path.is_file()]
