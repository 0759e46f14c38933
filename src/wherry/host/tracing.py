"""Whether a process may trace its child, which the engine ``proot`` lives by; and the other system calls tried."""

from __future__ import annotations

from wherry.host.facts import Tracing
from wherry.host.kernel import Refused, in_child, landlock_version, trace_child
from wherry.host.switches import read_number

__all__ = ["find_landlock", "find_tracing"]


def find_tracing() -> Tracing:
    """Trace a child's child from its start to its end."""
    answer = in_child(_trace).decode()
    problem = "" if answer == "yes" else answer or "ptrace: no answer"
    return Tracing(read_number("/proc/sys/kernel/yama/ptrace_scope"), not problem, problem)


def _trace() -> bytes:
    try:
        trace_child()
    except (Refused, OSError) as error:
        return str(error).encode()
    return b"yes"


def find_landlock() -> int:
    """The version of the kernel's Landlock, asked in a child: a strict filter may end who asks."""
    return int(in_child(lambda: b"%d" % landlock_version()) or b"0")
