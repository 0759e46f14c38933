"""Which engine a start uses, and why not each better one; and whether it can do what was asked.

Imported by every start: the engines themselves are loaded when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks, UsageError
from wherry.base.settings import Settings
from wherry.host import Host, require_containers
from wherry.launch.identity import Person, resolve_person
from wherry.launch.options import RunOptions
from wherry.launch.surroundings import Surroundings
from wherry.launch.views import Image, Tree

if TYPE_CHECKING:
    from wherry.host import Machine, Obstacle
    from wherry.launch.engines.engine import Engine, Need

__all__ = [
    "NAMESPACE",
    "Choice",
    "automatic_engines",
    "choose",
    "engine_named",
    "known_engines",
    "require_features",
    "tree_kind",
]

_BY_ITSELF = ("namespace", "proot", "fakechroot", "site")
"""The order in which ``auto`` tries them: the more of a container one makes, the earlier."""
_ON_REQUEST: tuple[str, ...] = ("oci",)
_IN_PLACE = ("namespace", "proot")
"""Those that can change an unpacked image where it lies."""


class Choice(msgspec.Struct, frozen=True):
    """``notes`` tell the user what was chosen in place of what, and why; ``machine`` is what was looked at for it."""

    engine: str
    notes: tuple[str, ...] = ()
    machine: Machine | None = None


NAMESPACE = Choice("namespace")


def automatic_engines() -> tuple[str, ...]:
    """Those that ``auto`` takes, the preferred first."""
    return _BY_ITSELF


def known_engines() -> tuple[str, ...]:
    """All names, in the order of preference."""
    return _BY_ITSELF + _ON_REQUEST


def engine_named(name: str) -> Engine:
    """The engine; raises :class:`UsageError` with the nearest name when there is none."""
    if name not in known_engines():
        import difflib

        near = difflib.get_close_matches(name, (*known_engines(), "auto"), 1)
        hint = f"did you mean '{near[0]}'?" if near else f"auto, {', '.join(known_engines())}"
        raise UsageError(f"there is no engine '{name}'", hint=hint)
    found: Engine = import_module(f"wherry.launch.engines.{name}").ENGINE
    return found


def choose(
    options: RunOptions, settings: Settings, host: Host, image: Image, tree: Tree, look: Callable[[], Machine]
) -> Choice:
    """The engine for this start. ``look`` (a probe) is called only where namespaces are not the answer.

    Raises :class:`HostLacks` with the reason of each engine when none can be used, or when the one that was asked for
    cannot.
    """
    wanted = options.engine or settings.text("run.engine")
    if wanted == NAMESPACE.engine or (wanted == "auto" and host.userns):
        require_containers(host)
        return NAMESPACE
    if wanted == "auto":
        return _first(_need(options, image, tree, host), look())
    engine, machine = engine_named(wanted), look()
    obstacle = engine.lacks(_need(options, image, tree, host), machine)
    if obstacle is not None:
        raise HostLacks(f"the engine '{wanted}' cannot be used", why=_named(obstacle), hint=_next(obstacle))
    return Choice(wanted, machine=machine)


def tree_kind(
    choice: Choice, options: RunOptions, image: Image, tree: Tree, host: Host, surroundings: Surroundings
) -> str:
    """The flattened tree that the engine needs: ``plain``, ``flat``, or empty where it needs none of its own."""
    if choice.engine == NAMESPACE.engine:
        return ""
    person = resolve_person(options, image, tree, host, surroundings, home=False)
    return engine_named(choice.engine).tree(options, person.uid, host)


def _need(options: RunOptions, image: Image, tree: Tree, host: Host) -> Need:
    from wherry.launch.engines.engine import Need
    from wherry.launch.engines.program import kind_of_program, path_of, program_of

    program = program_of(options, image)
    return Need(program, kind_of_program(tree, program, path_of(image), host.architecture) if program else "")


def _first(need: Need, machine: Machine) -> Choice:
    reasons: list[tuple[str, Obstacle]] = []
    for name in _BY_ITSELF:
        obstacle = engine_named(name).lacks(need, machine)
        if obstacle is None:
            return Choice(name, _notes(name, reasons), machine)
        reasons.append((name, obstacle))
    first = reasons[0][1]
    others = "".join(f"; the engine {name}: {_named(obstacle)}" for name, obstacle in reasons[1:])
    raise HostLacks("this machine does not let you make a container", why=_named(first) + others, hint=_next(first))


def _named(obstacle: Obstacle) -> str:
    """With its name in the reference, which has all of the machine's, each with its cost, and none of a program's."""
    return f"{obstacle.what} [{obstacle.id}]" if obstacle.cost else obstacle.what


def _next(obstacle: Obstacle) -> str:
    asked = f"{'' if obstacle.yours else 'ask for: '}{obstacle.ask}; " if obstacle.ask else ""
    return f"{asked}wherry doctor says more"


def _notes(name: str, reasons: list[tuple[str, Obstacle]]) -> tuple[str, ...]:
    if not reasons:
        return ()
    return (f"{reasons[0][1].what}: the engine '{name}' is used ('wherry doctor' says what that costs)",)


def require_features(
    engine: Engine, options: RunOptions, person: Person, host: Host, *, isolated_network: bool
) -> None:
    """Raise :class:`HostLacks` for the first thing asked that the engine has not, naming the engines that have it."""
    if engine.name == NAMESPACE.engine:
        return
    in_place = options.in_place and engine.name not in _IN_PLACE
    if in_place or options.upper or options.extra_layers:
        raise HostLacks(
            f"writing to a directory over the image is not possible with the engine '{engine.name}'",
            why="it makes no mounts",
            hint=f"--engine {NAMESPACE.engine} can, where the machine allows it: wherry doctor",
        )
    features = engine.features(host)
    for feature, spelled in _asked(options, person, isolated_network=isolated_network):
        if feature not in features:
            raise HostLacks(
                f"{spelled} is not possible with the engine '{engine.name}'",
                why=_WHY.get(feature, ""),
                hint=_able(feature, host),
            )


_WHY = {
    "bind-read-only": "it makes no mounts, and what you may write on the host can be written inside",
    "bind-nonrecursive": "it makes no mounts: what is mounted below a directory is seen with it",
    "tmpfs": "it makes no mounts",
    "read-only-root": "it makes no mounts",
    "private-network": "it makes no namespaces, and shares the host's network",
    "hostname": "it makes no namespaces, and shares the host's name",
    "writable-root": "the image is shown as it is held, for all containers of it",
}


def _asked(options: RunOptions, person: Person, *, isolated_network: bool) -> list[tuple[str, str]]:
    """Features that this start needs, each with how the user would say it."""
    found = []
    for bind in options.binds:
        found.append(("bind", f"-v {bind.source}:{bind.target}"))
        if bind.read_only:
            found.append(("bind-read-only", f"-v {bind.source}:{bind.target}:ro"))
        if not bind.recursive:
            found.append(("bind-nonrecursive", f"a bind of '{bind.source}' without what is mounted below"))
    found += [("tmpfs", f"--tmpfs {target}") for target, _ in options.tmpfs]
    own = ("/tmp", "/var/tmp", person.home)  # every engine has these empty, and goes without a mount of its own
    found += [("tmpfs", f"an empty {target}") for target, _ in options.first_tmpfs if target not in own]
    named = (
        ("read-only-root", "--read-only", options.read_only and options.scripts is None),
        ("private-network", "--network none", isolated_network),
        ("hostname", "--hostname", options.hostname is not None),
        ("writable-root", "--writable-copy", options.copy),
        ("seccomp", "--security-opt seccomp=FILE", options.seccomp not in (None, "unconfined")),
        ("limits", "--ulimit", bool(options.ulimits)),
        ("detach", "-d", options.detach),
        ("terminal", "-t", options.terminal),
        ("workdir", "-w", options.workdir is not None),
        ("user-root" if person.uid == 0 else "user-other", f"-u {options.user}", not person.is_caller),
    )
    return found + [(feature, spelled) for feature, spelled, wanted in named if wanted]


def _able(feature: str, host: Host) -> str:
    able = [name for name in known_engines() if feature in engine_named(name).features(host)]
    if not able:
        return "no engine can"
    said = f"--engine {' or '.join(able)} can"
    return said if host.userns or able != [NAMESPACE.engine] else f"{said}, where the machine allows it: wherry doctor"
