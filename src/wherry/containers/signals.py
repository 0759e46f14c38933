"""Signals to running containers: ``kill``, ``stop``, and waiting for the end without asking again and again."""

from __future__ import annotations

import os
import select
import signal as signals
import time

import msgspec

from wherry.base.errors import Conflict, StoreError, UsageError
from wherry.containers import kept
from wherry.containers.changes import Change
from wherry.containers.lookup import Found, find_container, is_elsewhere, must_run, running_kept
from wherry.containers.running import Running, is_alive
from wherry.containers.signalnames import signal_name, signal_number
from wherry.containers.world import World

__all__ = ["kill", "plan_kill", "plan_stop", "stop", "wait"]

_NOT_FORWARDED = {
    *(signals.SIGSTOP, signals.SIGCONT, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU, signals.SIGPIPE),
    *(signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGFPE, signals.SIGTRAP, signals.SIGSYS),
}
"""What the launcher cannot take, or leaves to itself (``native/launcher/child.c``)."""

_REMOTE_SECONDS = 2.0
"""How often the end of a container of another node is looked for: it is a file on a shared file system."""


def kill(name: str, *, signal: str = "SIGKILL", world: World | None = None) -> None:
    """Send a signal to the container's command; ``SIGKILL`` ends the whole container at once."""
    world = world or World()
    number = signal_number(signal)
    found, running = must_run(world, name)
    _send(found.shown, running, number)


def plan_kill(name: str, *, signal: str = "SIGKILL", world: World | None = None) -> tuple[Change, ...]:
    """What :func:`kill` would do."""
    world = world or World(make_store=False)
    chosen = signal_name(signal)
    found, _ = must_run(world, name)
    return (Change("signal", "container", found.shown, chosen),)


def stop(name: str, *, seconds: int = 10, signal: str | None = None, world: World | None = None) -> None:
    """Send the stop signal (``signal``, else ``--stop-signal``, the image's, or TERM), and KILL after ``seconds``.

    -1 waits for ever. One that does not run is left as it is, as Docker does. Returns when it has ended.
    """
    world = world or World()
    found, number = _to_stop(world, name, signal)
    if found.running is None:
        return
    _send(found.shown, found.running, number)
    if _ended(found.running, None if seconds < 0 else float(seconds)):
        return
    _send(found.shown, found.running, signals.SIGKILL)
    if not _ended(found.running, 30.0):
        raise Conflict(
            f"container '{found.shown}' does not end",
            why="a process of it hangs in the kernel, as on a file server that does not answer",
            hint="it ends when the file server is back",
        )


def plan_stop(
    name: str, *, seconds: int = 10, signal: str | None = None, world: World | None = None
) -> tuple[Change, ...]:
    """What :func:`stop` would do: nothing to one that does not run."""
    found, number = _to_stop(world or World(make_store=False), name, signal)
    if found.running is None:
        return ()
    later = "" if seconds < 0 else f", SIGKILL after {seconds} s"
    return (Change("stop", "container", found.shown, signal_name(str(number)) + later),)


def _to_stop(world: World, name: str, signal: str | None) -> tuple[Found, int]:
    """The container, and the number of the signal that asks it to end."""
    chosen = signal_number(signal) if signal else 0
    found = find_container(world, name)
    if found.running is None:
        if found.kept is None or not found.kept.started:
            must_run(world, name)
        return found, chosen
    return found, chosen or _stop_signal(found.running)


def wait(name: str, *, world: World | None = None) -> int:
    """Wait for the end; return the exit status as a shell would show it.

    Raises :class:`Conflict` for one that never started, :class:`StoreError` when its end was not recorded.
    """
    world = world or World()
    found = find_container(world, name)
    if found.running is not None:
        _ended(found.running, None)
    elif found.kept is not None and not found.kept.started:
        raise Conflict(f"container '{found.shown}' was never started", hint=f"wherry start {found.shown}")
    elif found.kept is not None:
        while is_elsewhere(world, found.kept):
            time.sleep(_REMOTE_SECONDS)
    return _status(world, found)


class _Stop(msgspec.Struct):
    stop_signal: str = ""


def _stop_signal(running: Running) -> int:
    """Its own, or TERM: an image may name a signal that there is not."""
    try:
        return signal_number(msgspec.json.decode(running.details, type=_Stop).stop_signal)
    except (msgspec.MsgspecError, UsageError):
        return signals.SIGTERM


def _send(shown: str, running: Running, number: int) -> None:
    """KILL goes to the container's init, with which the kernel ends all of it; others to the launcher, who passes
    them on to the command; what would stop or end the launcher itself to the command."""
    if number == signals.SIGKILL:
        pid, started = running.init_pid, running.init_started
        number = _killing(running)
    elif number in _NOT_FORWARDED:
        pid, started = _command(running)
    else:
        pid, started = running.launcher_pid, running.launcher_started
    if pid <= 0:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError:
        descriptor = -1  # before Linux 5.3
    try:
        if not is_alive(pid, started):
            return
        if descriptor >= 0:
            signals.pidfd_send_signal(descriptor, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise Conflict(f"cannot send a signal to container '{shown}'", why="its processes are not yours") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class _Inside(msgspec.Struct, frozen=True):
    inside: bool = False


class _Join(msgspec.Struct, frozen=True):
    wrapped: _Inside | None = None


class _Made(msgspec.Struct, frozen=True):
    """How the container was made, from its start line."""

    namespaces: int = 1
    join: _Join = _Join()


def _killing(running: Running) -> int:
    """What ends all of a container: to kill its init is enough where that is process 1 of a pid namespace; else it is
    told to (``native/launcher/plain.h``, PLAIN_ORPHANED)."""
    return signals.SIGKILL if _made(running).namespaces else signals.SIGRTMAX - 1


def _made(running: Running) -> _Made:
    try:
        return msgspec.json.decode(running.details, type=_Made)
    except msgspec.MsgspecError:  # of a newer Wherry
        return _Made()


def _command(running: Running) -> tuple[int, int]:
    """The command: the first of init's children, or of the launcher's inside (``native/launcher/inside.h``), which is
    the only child of the program that init started. (0, 0) when it has ended."""
    if not is_alive(running.init_pid, running.init_started):
        return 0, 0
    wrapped = _made(running).join.wrapped
    found = running.init_pid, 0
    for _ in range(3 if wrapped is not None and wrapped.inside else 1):
        found = _first_child(found[0]) if found[0] else found
    return found


def _first_child(parent: int) -> tuple[int, int]:
    """Its pid and start (what others left to it came later); (0, 0) when there is none."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append((int(fields[19]), int(name)))
    if not found:
        return 0, 0
    started, pid = min(found)
    return pid, started


def _ended(running: Running, seconds: float | None) -> bool:
    """Wait until the launcher has ended, having written how; False when ``seconds`` passed before."""
    try:
        descriptor = os.pidfd_open(running.launcher_pid)
    except ProcessLookupError:
        return True
    except OSError:
        return _ended_by_asking(running, seconds)
    try:
        if not is_alive(running.launcher_pid, running.launcher_started):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else max(0, int(seconds * 1000))))
    finally:
        os.close(descriptor)


def _ended_by_asking(running: Running, seconds: float | None) -> bool:
    until = None if seconds is None else time.monotonic() + seconds
    while is_alive(running.launcher_pid, running.launcher_started):
        if until is not None and time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return True


def _status(world: World, found: Found) -> int:
    if found.kept is not None and running_kept(world, found.kept) is not None:
        raise Conflict(f"container '{found.shown}' was started again")
    ended = kept.read_exit(world.containers, found.id)
    if ended is not None:
        return ended.exit
    from wherry.containers.records import find_record

    record = find_record(world.state, found.id, node=world.outside.node(), boot_id=world.outside.boot_id())
    if record is not None and record.end is not None:
        return record.end.exit
    raise StoreError(
        f"how container '{found.shown}' ended is not known",
        why="its launcher was killed, or the node went down",
        hint=f"wherry logs {found.shown}",
    )
