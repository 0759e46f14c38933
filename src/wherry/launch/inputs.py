"""From what was consulted to the plan's INPUT records."""

from __future__ import annotations

import stat
import time

import msgspec

from wherry import __version__
from wherry.base.outside import Identity, Input, Outside, Stamp
from wherry.launch.plan import LaunchPlan, Operation

__all__ = ["with_inputs"]

_YOUNG_NS = 2_000_000_000
"""A file changed so recently may change again without a new stamp: file systems' clocks are that coarse (NFS, FAT)."""

_SMALL = 64 * 1024
_NAMES = {"node": "NODE", "boot": "BOOT", "cwd": "CWD", "machine": "MACHINE", "around": "AROUND"}
_SWITCHES = (
    *("user/max_user_namespaces", "kernel/unprivileged_userns_clone"),
    "kernel/apparmor_restrict_unprivileged_userns",
)


def with_inputs(plan: LaunchPlan, outside: Outside, since: int = 0) -> LaunchPlan:
    """The plan with all that was consulted; not ``reusable`` where a young file is too large to compare by content.

    ``since`` is when the first of it was consulted (nanoseconds), where that is more than a moment ago.
    """
    now = since or time.time_ns()
    records = [Operation("VERSION", (__version__,))]
    reusable = plan.reusable
    for consulted in outside.inputs:
        record = _record(consulted, outside, now)
        if record is None:
            reusable = False
        else:
            records.append(record)
    for file in plan.files:
        records.append(_file(file.path, Stamp.of(file.path)))
    if any(item.kind == "PLAIN" for item in plan.operations):
        records += _switches()
    return msgspec.structs.replace(plan, inputs=tuple(records), reusable=reusable)


def _switches() -> list[Operation]:
    """What an administrator may turn so that namespaces can be had: then a plan without them is out of date."""
    found = []
    for name in _SWITCHES:
        try:
            with open(f"/proc/sys/{name}", "rb") as file:
                found.append(Operation("CONTENT", (f"/proc/sys/{name}", file.read())))
        except OSError:
            continue  # this kernel has no such switch
    return found


def _record(consulted: Input, outside: Outside, now: int) -> Operation | None:
    kind, name, value = consulted.kind, consulted.name, consulted.value
    if isinstance(value, Stamp):
        is_old = max(value.mtime_ns, value.ctime_ns) < now - _YOUNG_NS
        if kind == "entry":  # what it held was not read by way of ``outside``
            return _file(name, value, "ENTRY") if is_old else None
        return _file(name, value) if is_old else _content(name, value, outside)
    if isinstance(value, bytes):
        return Operation("CONTENT", (name, value))
    if kind == "env":
        return Operation("ENV", (name, int(value is not None), value if isinstance(value, str) else ""))
    if kind == "envs" and isinstance(value, tuple):
        return Operation("ENVS", (name, value))
    if isinstance(value, Identity):
        return Operation("IDENTITY", (value.uid, value.gid, tuple(map(str, value.groups))))
    if kind == "nearest":
        return Operation("NEAREST", (name, str(value)))
    if kind == "local":
        return Operation("LOCAL", (name, int(bool(value))))
    if kind == "apart" and isinstance(value, tuple):
        return Operation("APART", (value,))
    if kind == "real":
        return Operation("REAL", (name, str(value)))
    if kind == "processors":
        return Operation("PROCESSORS", (int(name),))
    if kind == "terminal":
        return Operation("TERMINAL", (int(name), int(bool(value))))
    return Operation(_NAMES[kind], (str(value),))


def _file(path: str, stamp: Stamp, kind: str = "FILE") -> Operation:
    numbers = (stamp.device, stamp.inode, stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.mode)
    return Operation(kind, (path, int(stamp.exists), *numbers))


def _content(path: str, stamp: Stamp, outside: Outside) -> Operation | None:
    if not stat.S_ISREG(stamp.mode) or stamp.size > _SMALL:
        return None
    try:
        content = outside.read(path)
    except OSError:
        return None
    if content is None or len(content) != stamp.size or Stamp.of(path) != stamp:
        return None
    return Operation("CONTENT", (path, content))
