"""Profiles in Docker's JSON format (moby, profiles/seccomp; OCI runtime-spec, config-linux.md, "Seccomp")."""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.base.errors import UsageError
from wherry.launch.seccomp import rules
from wherry.launch.seccomp.rules import Condition, Profile, Rule

__all__ = ["read_profile"]

_OPERATORS = {
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
}
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
_NATIVE = {"amd64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"), "arm64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")}


class _Argument(msgspec.Struct):
    index: int
    value: int
    op: str
    valueTwo: int = 0  # noqa: N815 (the format's own name)


class _Condition(msgspec.Struct):
    caps: list[str] | None = None
    arches: list[str] | None = None
    minKernel: str | None = None  # noqa: N815


class _Syscall(msgspec.Struct):
    action: str
    names: list[str] | None = None
    name: str = ""
    args: list[_Argument] | None = None
    errnoRet: int | None = None  # noqa: N815
    includes: _Condition | None = None
    excludes: _Condition | None = None


class _Architecture(msgspec.Struct):
    architecture: str
    subArchitectures: list[str] | None = None  # noqa: N815


class _Document(msgspec.Struct):
    defaultAction: str  # noqa: N815
    defaultErrnoRet: int | None = None  # noqa: N815
    syscalls: list[_Syscall] | None = None
    architectures: list[str] | None = None
    archMap: list[_Architecture] | None = None  # noqa: N815


def read_profile(text: bytes, path: str, architecture: str, kernel: str, capabilities: int) -> Profile:
    """Read and select by architecture, kernel and capabilities; raises :class:`UsageError` with the place."""
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.MsgspecError as error:
        raise UsageError(f"'{path}' is no seccomp profile", why=str(error)) from None
    default = _action(document.defaultAction, document.defaultErrnoRet, path)
    found: list[Rule] = []
    for entry in document.syscalls or ():
        if _applies(entry, architecture, kernel, capabilities):
            conditions = tuple(_condition(argument, path) for argument in entry.args or ())
            names = tuple(entry.names or ()) + ((entry.name,) if entry.name else ())
            found.append(Rule(names, _action(entry.action, entry.errnoRet, path), conditions))
    # A rule without conditions says the rest of its call's fate, wherever it stands in the file.
    found.sort(key=lambda rule: not rule.conditions)
    permissive = default in (rules.ALLOW, rules.LOG)
    return Profile(
        tuple(found),
        default,
        default if permissive else rules.errno_action(rules.ENOSYS),
        _is_compatible(document, architecture),
    )


def _applies(entry: _Syscall, architecture: str, kernel: str, capabilities: int) -> bool:
    includes, excludes = entry.includes or _Condition(), entry.excludes or _Condition()
    if includes.arches and architecture not in includes.arches:
        return False
    if includes.caps and not all(_has(name, capabilities) for name in includes.caps):
        return False
    if includes.minKernel and _version(kernel) < _version(includes.minKernel):
        return False
    if excludes.arches and architecture in excludes.arches:
        return False
    if excludes.caps and any(_has(name, capabilities) for name in excludes.caps):
        return False
    return not (excludes.minKernel and _version(kernel) >= _version(excludes.minKernel))


def _has(name: str, capabilities: int) -> bool:
    short = name.removeprefix("CAP_")
    return short in _CAPABILITIES and bool(capabilities >> _CAPABILITIES.index(short) & 1)


def _version(text: str) -> tuple[int, int]:
    numbers: list[int] = []
    for part in text.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def _condition(argument: _Argument, path: str) -> Condition:
    value, second = argument.value & (1 << 64) - 1, argument.valueTwo & (1 << 64) - 1
    if not 0 <= argument.index < 6:
        raise UsageError(f"'{path}' is no seccomp profile", why=f"argument {argument.index}: there are 0 to 5")
    if argument.op == "SCMP_CMP_MASKED_EQ":
        return Condition(argument.index, "==", second, value)
    if argument.op not in _OPERATORS:
        raise UsageError(f"'{path}' is no seccomp profile", why=f"there is no comparison '{argument.op}'")
    return Condition(argument.index, _OPERATORS[argument.op], value)


def _action(name: str, errno: int | None, path: str) -> int:
    known = {
        "SCMP_ACT_ALLOW": rules.ALLOW,
        "SCMP_ACT_LOG": rules.LOG,
        "SCMP_ACT_TRAP": rules.TRAP,
        "SCMP_ACT_KILL": rules.KILL_THREAD,
        "SCMP_ACT_KILL_THREAD": rules.KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS": rules.KILL_PROCESS,
    }
    if name == "SCMP_ACT_ERRNO":
        return rules.errno_action((rules.EPERM if errno is None else errno) & 0xFFFF)
    if name not in known:
        why = f"the action '{name}' needs a process that answers" if name[9:] in ("TRACE", "NOTIFY") else f"no '{name}'"
        raise UsageError(f"'{path}' cannot be used as seccomp profile", why=why)
    return known[name]


def _is_compatible(document: _Document, architecture: str) -> bool:
    native, compatible = _NATIVE[architecture]
    if document.archMap is not None:
        return any(
            entry.architecture == native and compatible in (entry.subArchitectures or ()) for entry in document.archMap
        )
    named: list[Any] = document.architectures or []
    return compatible in named
