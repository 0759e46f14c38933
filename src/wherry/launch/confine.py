"""What a container's processes may do: capabilities, system calls, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.host import Host
from wherry.launch.options import RunOptions
from wherry.launch.plan import Operation
from wherry.launch.surroundings import Surroundings

if TYPE_CHECKING:
    from wherry.launch.seccomp import Filter

__all__ = [
    "DOCKER_CAPABILITIES",
    "capability_bits",
    "capability_names",
    "confine_operations",
    "limit_name",
    "limit_operations",
    "may_mount",
    "seccomp_operation",
    "takes_turns",
]

_EVERY = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""By their numbers (linux/capability.h)."""
_ALL = (1 << len(_EVERY)) - 1

_OF_ROOT = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"),
    *("NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
DOCKER_CAPABILITIES = sum(1 << _EVERY.index(name) for name in _OF_ROOT)
"""What Docker leaves to root in a container (moby, oci/caps/defaults.go); they hold in the user namespace only."""

_LIMITS = {
    name: number
    for number, name in enumerate(
        (
            *("cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks"),
            *("sigpending", "msgqueue", "nice", "rtprio", "rttime"),
        )
    )
}
_UNLIMITED = (1 << 64) - 1

_SPEC_ALLOW = 1 << 2
"""SECCOMP_FILTER_FLAG_SPEC_ALLOW: no costly mitigation of speculative execution is switched on with the filter."""
_PROVE_TIOCSTI = 1 << 63


def capability_bits(uid: int, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> int:
    """The capabilities for a user shown as ``uid``: Docker's for root, changed as asked; none for others."""
    if uid != 0:
        return 0
    added, dropped = _named_bits(add), _named_bits(drop)
    if dropped == _ALL:  # --cap-drop ALL --cap-add CHOWN leaves that one
        return added
    return (DOCKER_CAPABILITIES | added) & ~dropped


def _named_bits(names: tuple[str, ...]) -> int:
    bits = 0
    for name in names:
        short = name.upper().removeprefix("CAP_")
        if short == "ALL":
            return _ALL
        if short not in _EVERY:
            import difflib

            near = difflib.get_close_matches(short, _EVERY, 1)
            raise UsageError(f"there is no capability '{name}'", hint=f"did you mean '{near[0]}'?" if near else "ALL")
        bits |= 1 << _EVERY.index(short)
    return bits


def capability_names(bits: int) -> tuple[str, ...]:
    """As capabilities(7) has them."""
    return tuple(f"CAP_{name}" for number, name in enumerate(_EVERY) if bits >> number & 1)


def may_mount(options: RunOptions) -> bool:
    """Whether root inside, also one who comes by ``exec``, has SYS_ADMIN over the container's own namespaces."""
    return bool(capability_bits(0, options.cap_add, options.cap_drop) >> _EVERY.index("SYS_ADMIN") & 1)


def confine_operations(options: RunOptions, uid: int, surroundings: Surroundings, host: Host) -> list[Operation]:
    """CAPS, then SECCOMP (or NO_NEW_PRIVS alone where the user asked for no filter)."""
    bits = capability_bits(uid, options.cap_add, options.cap_drop)
    if options.pretend:
        from wherry.launch.seccomp import pretending

        return [Operation("CAPS", (bits,)), _filter(pretending(host.architecture))]
    return [Operation("CAPS", (bits,)), seccomp_operation(options.seccomp, surroundings.profile, host)]


def seccomp_operation(choice: str | None, profile: bytes, host: Host, lacking: tuple[str, ...] = ()) -> Operation:
    """The filter: Docker's rules by default, ``unconfined`` for none, else ``profile``, in Docker's JSON.

    ``lacking`` are system calls that the container's kernel shall seem not to have.
    """
    if choice == "unconfined" and not lacking:
        return Operation("NO_NEW_PRIVS")
    from wherry.launch import seccomp

    if choice == "unconfined":
        found = seccomp.only_without(lacking, host.architecture)
    elif choice:
        found = seccomp.compile_json(profile, choice, host.architecture, host.kernel, DOCKER_CAPABILITIES, lacking)
    elif lacking:
        found = seccomp.without(lacking, host.architecture)
    else:
        found = seccomp.default_filter(host.architecture)
    return _filter(found)


def takes_turns(choice: str | None) -> bool:
    """Whether TURNS may be part of a plan: a filter of the user's own could keep the command on its processor."""
    return choice in (None, "", "unconfined")


def _filter(found: Filter) -> Operation:
    return Operation("SECCOMP", (found.program, _SPEC_ALLOW | (_PROVE_TIOCSTI if found.refuses_tiocsti else 0)))


def limit_name(number: int) -> str:
    """As ``--ulimit`` calls the limit of an RLIMIT operation."""
    return next((name for name, known in _LIMITS.items() if known == number), str(number))


def limit_operations(options: RunOptions) -> list[Operation]:
    """RLIMIT operations of ``--ulimit``, and UMASK; all other limits are the caller's."""
    found = [] if options.umask is None else [Operation("UMASK", (options.umask,))]
    for limit in options.ulimits:
        number = _LIMITS.get(limit.name)
        if number is None:
            import difflib

            near = difflib.get_close_matches(limit.name, _LIMITS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {' '.join(_LIMITS)}"
            raise UsageError(f"there is no limit '{limit.name}'", hint=hint)
        soft, hard = (_UNLIMITED if value < 0 else value for value in (limit.soft, limit.hard))
        if soft > hard:
            raise UsageError(f"limit '{limit.name}' has a soft value above its hard one", why=f"{soft} > {hard}")
        found.append(Operation("RLIMIT", (number, soft, hard)))
    return found
