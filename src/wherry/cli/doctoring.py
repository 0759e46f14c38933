"""``doctor``: the diagnosis on 80 columns, or as one object for programs."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.containers import Diagnosis, EngineState, World, diagnose
from wherry.host import Machine, Obstacle, against

if TYPE_CHECKING:
    from wherry.containers import Measured

__all__ = ["diagnosis_lines", "show_diagnosis"]

_MEANING = {
    "namespace": "the kernel's namespaces: all that Wherry can do, at full speed",
    "proot": "system calls are traced: works anywhere, slower to open files",
    "fakechroot": "a library stands in front of the C library: fast, keeps little apart",
    "oci": "hands a bundle to an OCI runtime; only with --engine oci",
    "site": "hands the start to the container program of this site",
}
_BOLD, _GOOD, _BAD, _END = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


def show_diagnosis(given: Given) -> int:
    """Print the diagnosis; 0 when a container can be run, 1 when not."""
    from wherry.base.errors import UsageError

    if given.words and not given.flag("measure"):
        raise UsageError(
            f"'wherry doctor' takes '{given.word}' only to measure with", hint="wherry doctor --measure IMAGE"
        )
    found = diagnose(World(make_store=False), anew=True)  # who asks the doctor does not want to hear of yesterday
    measured = _measure(found, given) if given.flag("measure") else ()
    form = given.text("format")
    if form in (None, "table"):
        width = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 80
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        for line in diagnosis_lines(found, measured, max(width, 40)):
            print(line if colours else _plain(line))
    else:
        listing.show([_row(found, measured)], (), form)
    return 0 if found.engine else 1


def _measure(found: Diagnosis, given: Given) -> tuple[Measured, ...]:
    from wherry.containers import measure, smallest_image

    image = given.word if given.words else smallest_image()
    return tuple(measure(engine.name, image) for engine in found.engines if not engine.obstacles)


def _row(found: Diagnosis, measured: tuple[Measured, ...]) -> dict[str, Any]:
    from wherry.cli.hostrows import camel

    engines = [
        {
            "Name": engine.name,
            "Usable": not engine.obstacles,
            "Used": engine.name == found.engine,
            "Program": engine.program,
            "Obstacles": camel(msgspec.to_builtins(engine.obstacles)),
        }
        for engine in found.engines
    ]
    return {
        "Runs": bool(found.engine),
        "Engine": found.engine,
        "Forced": found.forced,
        "Engines": engines,
        "Shortcomings": camel(msgspec.to_builtins(found.shortcomings)),
        "Problems": list(found.problems),
        "Measured": camel(msgspec.to_builtins(measured)),
        "Machine": camel(msgspec.to_builtins(found.machine)),
    }


def diagnosis_lines(found: Diagnosis, measured: tuple[Measured, ...], width: int) -> Iterator[str]:
    """The report. Lines to be typed stand alone and unbroken, all else fits ``width``."""
    yield from _verdict(found, width)
    yield from _heading("Engines, the best first")
    reached = False
    for engine in found.engines:
        yield from _engine(engine, found, width, whole=not reached)
        reached = reached or engine.name == found.engine
    if found.shortcomings:
        yield from _heading("What would make it better")
        for obstacle in found.shortcomings:
            yield from _obstacle(obstacle, "  ", width)
    yield from _facts(found.machine, found.problems, width)
    if measured:
        yield from _heading("Measured (ms: a start, imports of Python's library)")
        for line in measured:
            times = "".join(f"{'-' if value is None else f'{value:.1f}':>9}" for value in (line.start, line.imports))
            yield f"  {line.engine:<11}{times}   {line.problem}".rstrip()


def _verdict(found: Diagnosis, width: int) -> Iterator[str]:
    if found.engine:
        reason = ", which run.engine asks for" if found.forced else ""
        yield f"{_GOOD}Containers run here{_END}, by the engine '{found.engine}'{reason}."
        return
    forced = f" by the engine '{found.forced}', which run.engine asks for" if found.forced else ""
    yield f"{_BAD}No container can be run here{_END}{forced}."


def _engine(engine: EngineState, found: Diagnosis, width: int, *, whole: bool) -> Iterator[str]:
    """Why one cannot be used matters (``whole``) only where it would be taken before the one that is."""
    state, more = "cannot be used", ""
    if engine.obstacles and not whole:
        more = " ".join(f" [{obstacle.id}]" for obstacle in engine.obstacles)
    if not engine.obstacles:
        state = "used" if engine.name == found.engine else "can be used"
        more = f": {engine.program}" if engine.program else ""
    yield f"  {engine.name:<11}{_BAD if engine.obstacles else _GOOD}{state}{_END}{more}"
    yield from _wrapped(_MEANING.get(engine.name, ""), 13 * " ", width)
    for obstacle in engine.obstacles if whole else ():
        yield from _obstacle(obstacle, 13 * " ", width)


def _obstacle(obstacle: Obstacle, indent: str, width: int) -> Iterator[str]:
    yield from _wrapped(f"[{obstacle.id}] {obstacle.what}", indent, width)
    yield f"{indent}  {'you' if obstacle.yours else 'administrator'}: {_BOLD}{obstacle.ask}{_END}"
    yield from _wrapped(f"without: {obstacle.cost}", f"{indent}  ", width)


def _facts(machine: Machine, problems: tuple[str, ...], width: int) -> Iterator[str]:
    yield from _heading("Storage")
    for place in machine.storage:
        traits = (
            ("network", place.remote),
            ("memory", place.memory),
            ("noexec", place.noexec),
            ("ro", place.read_only),
        )
        kind = " ".join([place.kind or "unknown", *(name for name, on in traits if on)])
        yield f"  {place.purpose:<11}{kind}, {listing.bytes_for_people(place.free)} free: {listing.visible(place.path)}"
    for problem in problems:
        yield from _wrapped(problem, "  ", width)
    yield from _heading("This machine")
    for name, text in _sentences(machine):
        first, *rest = textwrap.wrap(text, width - 13) or [""]
        yield f"  {name:<11}{first}"
        yield from (f"{13 * ' '}{line}" for line in rest)


def _sentences(machine: Machine) -> Iterator[tuple[str, str]]:
    cgroup, survival, processor = machine.cgroup, machine.survival, machine.processor
    controllers = " ".join(cgroup.controllers)
    yield (
        "limits",
        (
            f"kept by the kernel: {controllers}"
            if controllers
            else f"watched from outside (cgroups: {cgroup.version or 'none'})"
        ),
    )
    yield "SIF files", _mounting(machine)
    yield "builds", _building(machine)
    ends = {"job": "the job ends", "logout": "you log out", "container": "the outer container ends"}
    yield "detached", f"live until {ends.get(survival.until, 'the machine stops')}: {survival.why}"
    yield (
        "processor",
        f"{processor.model or 'unknown'}, {processor.level}, {processor.usable} of {processor.count} usable",
    )
    gpus = [
        f"{gpu.name} ({gpu.vendor} {gpu.driver}{'' if gpu.usable else ', may not be opened'})" for gpu in machine.gpus
    ]
    yield "GPU", "; ".join(gpus) or "none"
    yield "MPI", "; ".join(f"{mpi.kind} {mpi.version} ({mpi.path})" for mpi in machine.mpi) or "none in PATH"
    batch = machine.batch
    yield "batch", " ".join([batch.system, f"job {batch.job}" if batch.job else ""]).strip() or "none"


def _mounting(machine: Machine) -> str:
    fuse = machine.fuse
    if machine.squashfuse and fuse.opens and (fuse.mounts or fuse.helps):
        return f"mounted {'in a namespace' if fuse.mounts else 'on the host'}, by {machine.squashfuse}"
    return "unpacked into the store at their first start"


def _building(machine: Machine) -> str:
    lays = machine.host.userns and machine.host.overlay
    if lays and not machine.host.supervised:
        return "files have the owners of the recipe: system calls about them are answered"
    if lays and machine.ids.maps:
        return "files have the owners of the recipe, by your subordinate ids; no devices can be made"
    if not against(machine, "proot"):
        return "commands run under proot: files that they give to other users belong to their own (--owners proot)"
    if not machine.host.userns:
        return "recipes that run no commands: these need namespaces, or proot"
    return "all files in the image belong to root, other owners are lost (--owners pretend)"


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield f"{_BOLD}{text}{_END}"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        listing.visible(text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _plain(line: str) -> str:
    for code in (_BOLD, _GOOD, _BAD, _END):
        line = line.replace(code, "")
    return line
