"""The engine ``proot``: a host program that traces the command and rewrites the paths in its system calls.

It needs no privilege and no namespace, only ptrace(2). What it costs: each system call that names a path stops twice,
and fewer stop where its seccomp acceleration works. It makes no mounts, so nothing can be shown read-only, and the
image's tree is protected by having no write bits (``plain``); its fake root would override these, so who is shown as
root gets a private copy.
"""

from __future__ import annotations

from wherry.host import Host, Machine, Obstacle, against
from wherry.launch.engines.engine import FEATURES, Need
from wherry.launch.engines.plain import (
    READ_ONLY_NOTE,
    Shown,
    Wrap,
    must_copy,
    plain_plan,
    require_closed,
    require_no_colon,
    shown_paths,
)
from wherry.launch.job import Job
from wherry.launch.mounts import require_own
from wherry.launch.options import RunOptions
from wherry.launch.plan import SCRATCH, SELF, LaunchPlan, Operation

__all__ = ["ENGINE"]

_LACKS = frozenset(
    (
        *("bind-read-only", "bind-nonrecursive", "tmpfs", "read-only-root"),
        *("pid-namespace", "private-network", "hostname"),
    )
)
_INSIDE = "/proc/wherry-inside"
"""Where our launcher is shown: nothing can be made in /proc, so it is in nobody's way and in no listing."""


class Proot:
    """PRoot (https://proot-me.github.io)."""

    name = "proot"

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        return next(iter(against(machine, self.name)), None)

    def features(self, host: Host) -> frozenset[str]:
        return FEATURES - _LACKS

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        return "flat" if must_copy(options, uid, host) else "plain"

    def plan(self, job: Job) -> LaunchPlan:
        shown = shown_paths(job)
        slots = (Shown(parent, "/") for parent in job.paths.scratch)  # what the slots in it stand for
        require_no_colon((*shown, *slots), "proot")
        own = job.options.in_place
        if own:
            require_own(job.image)
        private = not own and must_copy(job.options, job.person.uid, job.host)
        if not (own or private):
            require_closed(job)
        before = (Operation("COPY", (job.paths.flat, f"{SCRATCH}/root")),) if private else ()
        root = f"{SCRATCH}/root" if private else job.paths.flat
        return plain_plan(
            job,
            Wrap(root, _argv(job, root, shown), _variables(job), inside=True, lacking=_untranslated(job)),
            shown,
            before=before,
            notes=() if own else _notes(job, private),
        )


def _argv(job: Job, root: str, shown: tuple[Shown, ...]) -> tuple[str, ...]:
    assert job.machine is not None
    found = [job.machine.proot.path, "-v", "-1", "-r", root]
    for path in (*shown, Shown(SELF, _INSIDE)):
        found += ["-b", f"{path.source}:{path.target}"]
    if not job.person.is_caller:
        found += ["-i", f"{job.person.uid}:{job.person.gid}"]
    return (*found, "-w", "/", _INSIDE)


def _variables(job: Job) -> tuple[str, ...]:
    """Its own files go with the container's. An old one knows only /tmp, where it writes its loader if given none.

    Without its acceleration where that was not seen to work.
    """
    assert job.machine is not None
    found = job.machine.proot
    loader = (f"PROOT_LOADER={found.loader}",) if found.loader else ()
    return (f"PROOT_TMP_DIR={SCRATCH}", *loader, *(() if found.seccomp else ("PROOT_NO_SECCOMP=1",)))


def _untranslated(job: Job) -> tuple[str, ...]:
    """Calls newer than this proot, which would look at the host's files: C libraries fall back to older ones."""
    assert job.machine is not None
    return job.machine.proot.untranslated


def _notes(job: Job, private: bool) -> tuple[str, ...]:
    if private and not job.options.copy:
        return (
            "the container gets a private copy of the image: under proot nothing would keep root from writing to it",
        )
    if private:
        return ()
    return (READ_ONLY_NOTE,)


ENGINE = Proot()
