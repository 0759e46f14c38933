"""What an engine is: a name, what it lacks here, what it can do, and how it carries out a start."""

from __future__ import annotations

from typing import Protocol

import msgspec

from wherry.host import Host
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import LaunchPlan

__all__ = ["FEATURES", "Engine", "Machine", "Need", "Obstacle"]

FEATURES = frozenset(
    (
        *("bind", "bind-read-only", "bind-nonrecursive", "tmpfs", "writable-root", "read-only-root"),
        *("pid-namespace", "private-network", "hostname", "user-root", "user-other", "seccomp"),
        *("exec", "detach", "cp-running", "private-tmp", "private-home", "identity-files"),
        *("workdir", "environment", "signals", "terminal", "limits"),
        *("static-programs", "other-libc", "no-process-left"),
    )
)
"""What a start may ask of an engine; ``docs/reference/engines.md`` says which can do what, the conformance suite that
it is so."""


class Proot(Protocol):
    """The program of that name; ``seccomp``: its acceleration by a filter gave right answers in a trial."""

    @property
    def path(self) -> str: ...
    @property
    def works(self) -> bool: ...
    @property
    def seccomp(self) -> bool: ...
    @property
    def problem(self) -> str: ...


class Machine(Protocol):
    """What an engine without namespaces must know: the part of ``wherry.host.Machine`` that is read here."""

    @property
    def proot(self) -> Proot: ...


class Need(msgspec.Struct, frozen=True):
    """What of a start matters for the choice: the ``program`` that it executes, as far as that is known."""

    program: str = ""


class Obstacle(msgspec.Struct, frozen=True):
    """Why an engine cannot be used: ``what``, and in ``ask`` the one line that an administrator would type."""

    what: str
    ask: str = ""


class Engine(Protocol):
    """Stateless; all methods are pure."""

    name: str

    def lacks(self, need: Need, host: Host, machine: Machine | None) -> Obstacle | None:
        """Why it cannot be used here, or for such an image; None when it can. ``machine`` is None where nobody
        looked."""

    def features(self, host: Host) -> frozenset[str]:
        """Those of :data:`FEATURES` that it has on this machine."""

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        """The flattened tree that it needs of an image for a user shown as ``uid``: ``plain`` (copies without write
        bits), ``flat`` (hard links with their own modes, never written), or empty for none of its own."""

    def plan(self, job: Job) -> LaunchPlan:
        """How this start is carried out."""
