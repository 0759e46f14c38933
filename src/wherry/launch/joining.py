"""``plan_exec``: a further process in a container that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry import __version__
from wherry.base.decimals import decimal
from wherry.base.errors import HostLacks, UsageError
from wherry.host import Host
from wherry.launch.confine import capability_bits, seccomp_operation, takes_turns
from wherry.launch.fragment import Bounds, Joinable, Membership, Wrapped, exec_fragment
from wherry.launch.identity import check_id
from wherry.launch.idmap import become
from wherry.launch.options import ExecOptions
from wherry.launch.plan import CURRENT, HANDED, INSIDE, SCRATCH, SHORT_ID, LaunchPlan, Operation, Paths

if TYPE_CHECKING:
    from wherry.host import Control

__all__ = ["Joinable", "Membership", "Wrapped", "plan_exec", "scope_of"]

_STDIN, _TERMINAL, _DETACH = 1, 2, 4
_NPROC = 6
"""RLIMIT_NPROC."""


def plan_exec(
    options: ExecOptions,
    membership: Membership,
    host: Host,
    *,
    paths: Paths,
    running: str,
    scratch: str = "",
    init: int = 0,
    group: tuple[str, str] = ("", ""),
    control: Control | None = None,
) -> LaunchPlan:
    """What ``exec`` does. ``membership`` is decoded from the container's start line, ``running`` its RUNNING file.

    ``scratch`` is its scratch folder, needed where its engine makes no namespaces; ``init`` its process 1, ``group``
    the root of the cgroup2 tree and its own group, if it has one: its limits hold for this process too. ``control`` is
    given where that group is one of the user's systemd: who enters it must be started by that.

    The process gets the container's variables, identity, capabilities and filter; ``-e`` wins over them. Raises
    :class:`UsageError` without a command, :class:`HostLacks` for another user than the container's.
    """
    if not options.command:
        raise UsageError(f"no command for '{options.container}'", hint=f"wherry exec {options.container} COMMAND")
    join = membership.join
    who = _user(options, join)
    directory = options.workdir or join.directory
    if directory.startswith(CURRENT):
        directory = membership.cwd + directory[1:]
    bits = (_STDIN if options.interactive else 0) | (_TERMINAL if options.terminal else 0)
    bits |= _DETACH if options.detach else 0
    operations = [
        Operation("ID", ("",)),
        Operation("RECORD", (f"{paths.state}/records/{host.node}", exec_fragment(membership, host, __version__))),
        Operation("STDIO", (bits,)),
        Operation("FDS", ((), ())),
        *_entering(membership, running, scratch, options.container),
        *_limits(membership.bounds, init, *group),
        *[Operation(kind, fields) for kind, fields in join.environment],
        *_asked(options),
        Operation("CWD", (directory, 0)),
        *([become(*who)] if join.ranged else []),
        *([Operation("CAPS", (_capabilities(who[0], join),))] if join.wrapped is None else []),
        *_filter(membership, host),
        Operation("EXEC", ((), (), 0)),
    ]
    starter = scope_of(control) if control is not None and control.systemd_run else ()
    return LaunchPlan((), tuple(operations), reusable=False, starter=starter)


def _capabilities(uid: int, join: Joinable) -> int:
    usual = capability_bits(uid)
    return usual if join.capabilities is None or uid != 0 else join.capabilities


def scope_of(control: Control) -> tuple[str, ...]:
    """The command line before the launcher's own: the user's systemd starts it in a group that is handed over to it."""
    return (control.systemd_run, "--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes", "--")


def _limits(bounds: Bounds, init: int, root: str, group: str) -> list[Operation]:
    found = [Operation("MEMBER", (root, group))] if group else []
    if bounds.affinity:
        found.append(Operation("AFFINITY", (0, init)))
    if bounds.nproc:
        found.append(Operation("RLIMIT", (_NPROC, bounds.nproc, bounds.nproc)))
    return found


def _entering(membership: Membership, running: str, scratch: str, name: str) -> list[Operation]:
    """By its namespaces, or as its own command was started: then it must be told to end with the container."""
    wrapped = membership.join.wrapped
    if wrapped is None:
        return [Operation("JOIN", (running, membership.namespaces, name))]

    def filled(texts: tuple[str, ...]) -> tuple[str, ...]:
        short = membership.id[:12]
        return tuple(
            text.replace(SCRATCH, scratch).replace(CURRENT, membership.cwd).replace(SHORT_ID, short) for text in texts
        )

    words = (INSIDE[1], f"{INSIDE[0]}/{SHORT_ID}") if wrapped.handed else ()
    traced = wrapped.inside and not wrapped.handed
    return [
        Operation("PLAIN"),
        Operation("WRAP", ((*filled(wrapped.argv), *words), filled(wrapped.variables))),
        *([Operation("INSIDE")] if wrapped.inside else []),
        *([Operation("TURNS")] if traced and takes_turns(membership.join.seccomp) else []),
        *([Operation("HANDOVER", (f"{scratch}{HANDED[1:]}/{SHORT_ID}",))] if wrapped.handed else []),
        Operation("FOLLOW", (running,)),
    ]


def _filter(membership: Membership, host: Host) -> list[Operation]:
    join, wrapped = membership.join, membership.join.wrapped
    if wrapped is not None and wrapped.filtered:
        return []
    lacking = wrapped.lacking if wrapped is not None else ()
    return [seccomp_operation(join.seccomp or None, join.profile.encode(), host, lacking)]


def _user(options: ExecOptions, join: Joinable) -> tuple[int, int, tuple[int, ...]]:
    """Uid, gid and groups; raises :class:`HostLacks` for a user that the container cannot have."""
    user, _, group = (options.user or "").partition(":")
    if not group and user in ("", str(join.uid), join.user):
        return join.uid, join.gid, join.groups
    if not join.ranged:
        if user in ("", str(join.uid), join.user):
            return join.uid, join.gid, join.groups
        raise HostLacks(
            f"cannot execute as '{user}' in '{options.container}'",
            why=f"the container was started with one user, {join.user} ({join.uid}); others need a subordinate range",
            hint=f"start one with that user: wherry run -u {user} ..., or one that has all: --userns range",
        )
    numbers = [0 if name == "root" else decimal(name) for name in (user, group or "0")]
    uid = join.uid if user in ("", join.user) else numbers[0]
    if uid is None or numbers[1] is None:
        raise HostLacks(
            f"cannot execute as '{options.user}' in '{options.container}'",
            why="names are looked up when a container starts",
            hint=f"give the number: wherry exec {options.container} id -u {user}",
        )
    gid = check_id(numbers[1], str(options.user))
    return check_id(uid, str(options.user)), gid, (gid,)


def _asked(options: ExecOptions) -> list[Operation]:
    found = []
    for text in options.env:
        kind = "ENV_SET" if "=" in text else "ENV_TAKE"
        found.append(Operation(kind, ((text,),)))
    return found
