"""What an engine is: a name, what it lacks here, what it can do, and how it carries out a start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from wherry.host import Host
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import LaunchPlan

if TYPE_CHECKING:
    from wherry.host import Machine, Obstacle

__all__ = ["FEATURES", "Engine", "Need"]

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


class Need(msgspec.Struct, frozen=True):
    """What of a start matters for the choice: the ``program`` that it executes, as far as that is known, and its
    ``kind`` (:func:`~wherry.launch.engines.program.kind_of_program`)."""

    program: str = ""
    kind: str = ""


class Engine(Protocol):
    """Stateless; all methods are pure."""

    name: str

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        """Why it cannot be used here, or for such an image; None when it can."""

    def features(self, host: Host) -> frozenset[str]:
        """Those of :data:`FEATURES` that it has on this machine."""

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        """The flattened tree that it needs of an image for a user shown as ``uid``: ``plain`` (copies without write
        bits), ``flat`` (hard links with their own modes, never written), or empty for none of its own."""

    def plan(self, job: Job) -> LaunchPlan:
        """How this start is carried out."""
