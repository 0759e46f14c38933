"""The engine ``fakechroot``: a library in front of the C library of each program maps the paths (``native/interpose``).

Nothing is traced and nothing mounted, so it is nearly as fast as the host, and keeps as little apart: what a program
does without its C library meets the host. That is also why the image's tree has no write bits (``plain``), though the
library itself refuses to change it. It cannot run static programs, nor those of musl.
"""

from __future__ import annotations

from wherry.base.errors import CommandNotFound
from wherry.host import Host, Machine, Obstacle, against
from wherry.launch.engines.engine import FEATURES, Need
from wherry.launch.engines.plain import READ_ONLY_NOTE, Wrap, plain_plan, require_closed, shown_paths
from wherry.launch.engines.program import find_program, path_of, program_of
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import DIRECTORY, SCRATCH, LaunchPlan, Operation

__all__ = ["ENGINE"]

_LACKS = frozenset(
    (
        *("bind-nonrecursive", "tmpfs", "pid-namespace", "private-network", "hostname", "user-root", "user-other"),
        *("static-programs", "other-libc"),
    )
)
_HOSTS_OWN = ("/dev", "/proc", "/sys")
_AGAIN = (("/var/run", "/run"), ("/var/lock", "/run/lock"))
"""Usual names of what is shown under another: the library goes by the text of a path first."""
_DATA = (("LOCPATH", "/usr/lib/locale"), ("TZDIR", "/usr/share/zoneinfo"))
"""Variables by which the C library finds files that it opens by itself, so that they are the image's."""
_WHY_NOT = {
    "static": "it is a static program: no library can stand in front of one",
    "musl": "it is made for another C library (musl)",
    "other-arch": "it is made for another processor",
}


class Fakechroot:
    """By ``wherry-interpose`` and the library beside it."""

    name = "fakechroot"

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        obstacle = next(iter(against(machine, self.name)), None)
        if obstacle is not None or need.kind not in _WHY_NOT:
            return obstacle
        what = f"'{need.program}' cannot be run by it: {_WHY_NOT[need.kind]}"
        return Obstacle(f"program-{need.kind}", what, "--engine proot, or --engine namespace", "", yours=True)

    def features(self, host: Host) -> frozenset[str]:
        return FEATURES - _LACKS

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        return "flat" if options.copy or host.uid == 0 else "plain"

    def plan(self, job: Job) -> LaunchPlan:
        private = self.tree(job.options, job.person.uid, job.host) == "flat"
        if not private:
            require_closed(job)
        if job.options.detach:
            _require_program(job)
        root = f"{SCRATCH}/root" if private else job.paths.flat
        before = (Operation("COPY", (job.paths.flat, root)),) if private else ()
        shown = shown_paths(job)
        assert job.machine is not None
        argv = [job.machine.interpose, "--compose", f"{SCRATCH}/interpose", "--facts", f"{SCRATCH}/facts"]
        argv += ["--writable-root" if private and not job.options.read_only else "--root", root]
        for path in shown:
            if path.source == path.target and path.target in _HOSTS_OWN:
                argv += ["--host", path.target]
                continue
            # What is read-only is the whole of the container's own, not what the user binds into it.
            closed = path.read_only or (job.options.read_only and path.source.startswith(SCRATCH))
            for target in _names(job, path.target):
                argv += ["--read-only" if closed else "--bind", path.source, target]
        return plain_plan(
            job,
            Wrap(root, (*argv, "--", "--cwd", DIRECTORY, "--"), _variables(job, root)),
            shown,
            before=before,
            notes=() if private else (READ_ONLY_NOTE,),
        )


def _require_program(job: Job) -> None:
    """Raise :class:`CommandNotFound` now: in the background nobody hears what the starter says."""
    name = program_of(job.options, job.image)
    if name and "/" not in name and not find_program(job.tree, name, path_of(job.image)):
        raise CommandNotFound(
            f"cannot find '{name}' in the container's PATH",
            why="the image has no such program",
            hint="check the spelling, or give its full path",
        )


def _names(job: Job, target: str) -> list[str]:
    """How the image resolves the target, and its usual other name."""
    if target.startswith("\x02"):
        return [target]
    real = job.tree.resolve(target)
    return [real, *(name for name, means in _AGAIN if means == real and job.tree.resolve(name) == real)]


def _variables(job: Job, root: str) -> tuple[str, ...]:
    given = {text.partition("=")[0] for text in (*job.options.env, *(job.image.config.config.env or ()))}
    return tuple(f"{name}={root}{path}" for name, path in _DATA if name not in given and job.tree.exists(path))


ENGINE = Fakechroot()
