"""What a container may use as a whole, and what it ends with: decided here, carried out by the launcher.

A limit is kept by a control group where one can be had, else by what comes nearest: watching for memory (RLIMIT_AS and
RLIMIT_DATA count address space that programs only reserve), whole processors for a share of them, RLIMIT_NPROC for
processes where the kernel counts those of a user namespace alone. What is kept less well is said in one line.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import msgspec

from wherry.launch.fragment import Bounds
from wherry.launch.joining import scope_of
from wherry.launch.options import RunOptions
from wherry.launch.plan import LaunchPlan, Operation

if TYPE_CHECKING:
    from wherry.host import Control, Survival

__all__ = ["bounded"]

_OWN = 1
"""CGROUP: the launcher steps aside, for the group is its own."""
_PERIOD = 100_000
_NPROC = 6
_GRACE = 10


class _Place(msgspec.Struct, frozen=True):
    """Where the container's group is made: by which program the launcher is started for it, what the group has."""

    parent: str
    bits: int
    controllers: tuple[str, ...]
    starter: tuple[str, ...] = ()


class _Kept(msgspec.Struct):
    """How the limits are kept: files of the group, and what takes their place; ``lacking`` are sentences."""

    files: list[str] = []
    optional: list[str] = []
    watch_memory: int = 0
    watch_processes: int = 0
    affinity: int = 0
    nproc: int = 0
    lacking: list[str] = []


def bounded(
    plan: LaunchPlan,
    options: RunOptions,
    control: Control | None,
    lifetime: Survival | None,
    *,
    ending: str = "auto",
    stop_signal: str = "",
) -> LaunchPlan:
    """The same plan with what bounds the container; ``control`` and ``lifetime`` are what the host offers.

    ``ending`` is the setting ``run.detached``, for a detached start.
    """
    starter: tuple[str, ...] = ()
    if options.limits and control is not None:
        plan = _limited(plan, options, control)
        starter = plan.starter
    if options.detach and lifetime is not None:
        plan = _ended(plan, ending, control, lifetime, starter, stop_signal)
    return plan


def _limited(plan: LaunchPlan, options: RunOptions, control: Control) -> LaunchPlan:
    place = _place(options, control)
    kept = _keep(options, control, place.controllers if place else (), namespaces=bool(plan.find("NAMESPACE")))
    found: list[Operation] = []
    if place is not None:
        files = (control.root, place.parent, place.bits, tuple(kept.files), tuple(kept.optional))
        found.append(Operation("CGROUP", files))
    if kept.watch_memory or kept.watch_processes:
        found.append(Operation("WATCH", (kept.watch_memory, kept.watch_processes)))
    if kept.affinity:
        found.append(Operation("AFFINITY", (kept.affinity, 0)))
    operations = _inserted(plan.operations, "STDIO", found)
    if kept.nproc:
        operations = _inserted(operations, "EXEC", [Operation("RLIMIT", (_NPROC, kept.nproc, kept.nproc))])
    operations = _noted(operations, Bounds(kept.nproc, bool(kept.affinity), place.parent if place else ""))
    reusable = plan.reusable and (place is None or control.handed)  # the group in which we are is this session's
    return msgspec.structs.replace(
        plan,
        operations=operations,
        notes=(*plan.notes, *_warning(kept.lacking, control, place)),
        reusable=reusable,
        starter=place.starter if place else (),
    )


def _place(options: RunOptions, control: Control) -> _Place | None:
    """Where the group is made: in the folder that is there for it, else by the user's systemd."""
    wanted = (("memory", options.memory), ("cpu", options.cpus), ("pids", options.pids_limit))
    needed = {name for name, value in wanted if value}
    if needed & set(control.controllers):
        return _Place(control.parent, 0, control.controllers)
    return _Place("", _OWN, control.manager, scope_of(control)) if needed & set(control.manager) else None


def _keep(options: RunOptions, control: Control, controllers: tuple[str, ...], *, namespaces: bool) -> _Kept:
    kept = _Kept()
    if options.memory:
        _keep_memory(kept, options.memory, options.memory_swap, controllers)
    if options.cpus:
        _keep_processors(kept, options.cpus, controllers)
    if options.pids_limit:
        _keep_processes(kept, options.pids_limit, controllers, counts=control.counts and namespaces)
    return kept


def _keep_memory(kept: _Kept, limit: int, total: int | None, controllers: tuple[str, ...]) -> None:
    if "memory" in controllers:
        swap = "max" if total == -1 else str(limit if total is None else total - limit)
        kept.files.append(f"memory.max={limit}")
        kept.optional += ["memory.oom.group=1", f"memory.swap.max={swap}"]
        return
    kept.watch_memory = limit
    words = f"memory is only looked at, four times a second, and more than {_size(limit)} end the container"
    kept.lacking.append(words)
    if total is not None:
        kept.lacking.append("swap space is not limited")


def _keep_processors(kept: _Kept, count: float, controllers: tuple[str, ...]) -> None:
    if "cpu" in controllers:
        kept.files.append(f"cpu.max={round(count * _PERIOD)} {_PERIOD}")
        return
    kept.affinity = whole = math.ceil(count)
    words = f"it keeps to {whole} processor{'' if whole == 1 else 's'}"
    kept.lacking.append(words + ("" if whole == count else f" instead of {count:g}") + ", which others use too")


def _keep_processes(kept: _Kept, limit: int, controllers: tuple[str, ...], *, counts: bool) -> None:
    """Process 1 is the launcher's own, and comes on top."""
    if "pids" in controllers:
        kept.files.append(f"pids.max={limit + 1}")
    elif counts:
        kept.nproc = limit + 1
    else:
        kept.watch_processes = limit
        kept.lacking.append(f"more than {limit} processes are not refused, but end the container")


def _warning(lacking: list[str], control: Control, place: _Place | None) -> tuple[str, ...]:
    if not lacking:
        return ()
    why = control.problem or "the control group here cannot keep all of them"
    if place is None and control.handed:
        why = f"the control group '{control.parent}' has no controller for them"
    return (f"limits are not fully enforced ({why}): {'; '.join(lacking)}",)


def _size(size: int) -> str:
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def _inserted(operations: tuple[Operation, ...], before: str, found: list[Operation]) -> tuple[Operation, ...]:
    place = next(index for index, item in enumerate(operations) if item.kind == before)
    return (*operations[:place], *found, *operations[place:])


def _noted(operations: tuple[Operation, ...], bounds: Bounds) -> tuple[Operation, ...]:
    """With ``bounds`` in the RUNNING file, for those who join the container."""
    text = msgspec.json.encode(bounds).decode()
    if text == "{}":
        return operations
    return tuple(
        Operation("RUNNING", (item.fields[0], f'{item.fields[1]!s},"bounds":{text}'))
        if item.kind == "RUNNING"
        else item
        for item in operations
    )


def _ended(
    plan: LaunchPlan,
    ending: str,
    control: Control | None,
    lifetime: Survival,
    starter: tuple[str, ...],
    stop_signal: str,
) -> LaunchPlan:
    """What a detached container ends with: the setting's choice, else what this machine does anyway."""
    if ending == "logout" or (ending == "job" and lifetime.until == "job"):
        until = Operation("UNTIL", (_signal_number(stop_signal), _GRACE))
        return msgspec.structs.replace(plan, operations=_inserted(plan.operations, "STDIO", [until]))
    moved = starter
    if ending == "stay" and lifetime.until == "logout" and lifetime.linger and control is not None:
        moved = starter or (scope_of(control) if control.systemd_run else ())
    note = _farewell(ending, lifetime, moved)
    notes = (*plan.notes, note) if note else plan.notes
    return msgspec.structs.replace(plan, starter=moved, notes=notes, reusable=plan.reusable and not moved)


def _farewell(ending: str, lifetime: Survival, moved: tuple[str, ...]) -> str:
    """What the user should know about the container's end."""
    lingering = "'loginctl enable-linger' once lets it stay"
    if moved and lifetime.until != "job":
        return "" if lifetime.linger else f"the container will end at logout, with your systemd; {lingering}"
    if lifetime.until == "logout":
        remedy = (
            "setting run.detached to stay keeps it" if lifetime.linger else f"{lingering}, with run.detached = stay"
        )
        return f"the container will be ended at logout ({lifetime.why}); {remedy}"
    if lifetime.until in ("job", "container") and ending == "stay":
        return f"the container cannot stay: {lifetime.why}"
    return ""


def _signal_number(name: str) -> int:
    if name.isdigit():
        return int(name)
    number = getattr(signal, f"SIG{name.upper().removeprefix('SIG')}", signal.SIGTERM)
    return int(number) if isinstance(number, signal.Signals) else int(signal.SIGTERM)
