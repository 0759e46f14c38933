"""Saved plans: the front finds them by the hash of a command line's beginning (``docs/design/plan-format.md``)."""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import LaunchError, reason
from wherry.launch.codec import encode
from wherry.launch.inputs import with_inputs
from wherry.launch.plan import LaunchPlan, Operation, PlanFile

if TYPE_CHECKING:
    from wherry.base.outside import Outside

__all__ = ["MAX_PLANS", "plan_hash", "save", "save_answer", "write_files"]

MAX_PLANS = 512
_PRUNED = 3
"""How often files that ``prune`` takes while they are written are written anew."""

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def save(plan: LaunchPlan, prefix: tuple[str, ...], runtime: str) -> str | None:
    """Save the plan for command lines that begin with ``prefix`` (face, ``argv[1..n]``); its path, or None.

    None where the plan must not be used again, or cannot be written: then the next start plans anew, nothing else.
    """
    if not plan.reusable or len(prefix) > 65:
        return None
    folder = f"{runtime}/plans"
    path = f"{folder}/{plan_hash(prefix)}.plan"
    named = msgspec.structs.replace(plan, inputs=(Operation("PREFIX", (prefix,)), *plan.inputs))
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        _write(path, encode(named, os.geteuid()))
        _trim(folder)
    except (OSError, LaunchError):
        return None
    return path


def save_answer(
    error: bytes,
    output: bytes,
    used: tuple[str, ...],
    words: tuple[str, ...],
    outside: Outside,
    runtime: str,
    since: int,
) -> str | None:
    """Save what the command line ``words`` (face, all arguments) prints as long as all holds that ``outside`` has noted
    since then (nanoseconds); as :func:`save`. ``used`` are files whose mtime is their last use."""
    for ask in (outside.identity, outside.node, outside.boot_id, outside.machine, outside.around):
        ask()
    outside.env("PATH")  # what this machine can do is found along it
    plan = LaunchPlan((), (Operation("USED", (used,)), Operation("ANSWER", (error, output))))
    return save(with_inputs(plan, outside, since), words, runtime)


def plan_hash(words: tuple[str, ...]) -> str:
    """FNV-1a (64 bit) over the words, each preceded by its length (u32, little-endian), as 16 hex digits."""
    value = _OFFSET
    for word in words:
        data = os.fsencode(word)
        for byte in struct.pack("<I", len(data)) + data:
            value = ((value ^ byte) * _PRIME) & _MASK
    return f"{value:016x}"


def write_files(plan: LaunchPlan) -> None:
    """Write the small files and directories that the plan shows; those that exist are left (named by their content).

    Their folder is marked as used before, so that ``prune`` leaves it: by the mtime of ``.NAME`` beside it. It appears
    as a whole: many may begin at once, and each one's plan holds only while nobody changes it.
    """
    if not plan.files:
        return
    place = plan.files[0].path
    try:
        os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
        _mark_used(place)
        for _ in range(_PRUNED):
            with contextlib.suppress(FileNotFoundError):  # it went just now, being old
                _write_missing(plan)
                return
        _write_missing(plan)
    except OSError as error:
        at = error.filename if isinstance(error.filename, str) else place
        raise LaunchError(f"cannot write '{at}'", why=reason(error)) from None


def _mark_used(place: str) -> None:
    folder, _, name = place.rpartition("/")
    mark = f"{folder}/.{name}"
    try:
        os.utime(mark)
    except FileNotFoundError:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _write_missing(plan: LaunchPlan) -> None:
    place = plan.files[0].path
    if plan.files[0].content is None and not os.path.lexists(place):
        new = f"{place}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            for file in plan.files:
                _write_file(file, new + file.path.removeprefix(place))
            os.rename(new, place)
        except OSError:
            import shutil

            shutil.rmtree(new, ignore_errors=True)
            if not os.path.isdir(place):  # else somebody else's came first
                raise
    for file in plan.files:
        if not os.path.lexists(file.path):
            _write_file(file, file.path)


def _write_file(file: PlanFile, path: str) -> None:
    if file.content is not None:
        _write(path, file.content, file.mode)
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        os.chmod(path, file.mode)  # whatever the umask


def _write(path: str, content: bytes, mode: int = 0o600) -> None:
    # The number alone is not enough: other pid namespaces (and nodes) have the same.
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(content)
            os.fchmod(descriptor, mode)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _trim(folder: str) -> None:
    with os.scandir(folder) as entries:
        plans = [entry for entry in entries if entry.name.endswith(".plan")]
    if len(plans) <= MAX_PLANS:
        return
    ages = []
    for entry in plans:
        with contextlib.suppress(OSError):
            ages.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, path in sorted(ages)[: len(ages) - MAX_PLANS]:
        with contextlib.suppress(OSError):
            os.unlink(path)
