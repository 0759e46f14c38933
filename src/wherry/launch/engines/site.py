"""The engine ``site``: where only a program of the site's own may start containers, it gets the container to start.

Chosen by itself after all others, for it can do what all of these programs can and no more: the same command line means
the same whichever of them a site has.
"""

from __future__ import annotations

from wherry.host import Host, Machine, Obstacle, against, usable_sites
from wherry.launch.engines.box import OWN, Box, Mounted, boxed_plan, lay_out
from wherry.launch.engines.engine import FEATURES, Need
from wherry.launch.engines.plain import must_copy, require_closed
from wherry.launch.engines.siteline import Line, compose
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import SELF, LaunchPlan, Operation

__all__ = ["ENGINE"]

_LACKS = frozenset(
    (
        *("bind-read-only", "bind-nonrecursive", "tmpfs"),
        *("pid-namespace", "private-network", "hostname", "user-other"),
    )
)
_KERNEL = ("/proc", "/sys")


class Site:
    """apptainer, singularity, ch-run or podman, as ``engine.site`` says or as they are found."""

    name = "site"

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        return next(iter(against(machine, self.name)), None)

    def features(self, host: Host) -> frozenset[str]:
        return FEATURES - _LACKS

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        return "flat" if must_copy(options, uid, host) else "plain"

    def plan(self, job: Job) -> LaunchPlan:
        assert job.machine is not None
        program = usable_sites(job.machine)[0]
        private = must_copy(job.options, job.person.uid, job.host)
        if not private:
            require_closed(job)
        box = lay_out(job, private=private, points=True)
        line = Line(
            root=box.root,
            binds=_binds(box),
            writable=private and not job.options.read_only,
            uid=None if job.person.is_caller else job.person.uid,
            gid=None if job.person.is_caller else job.person.gid,
            user=job.host.user,
        )
        composed = compose(program.name, program.path, line)
        before = _made_for(program.name, box)
        return boxed_plan(job, box, composed, before=before, notes=_notes(job, box, program.name))


def _binds(box: Box) -> tuple[Mounted, ...]:
    """What these programs do not show by themselves."""
    return tuple(item for item in box.mounts if item.kind == "bind" and not item.source == item.target in _KERNEL)


def _made_for(program: str, box: Box) -> tuple[Operation, ...]:
    """What podman would make itself, as a user of a subordinate id, whose files we could not remove."""
    if program != "podman":
        return ()
    root = box.root if box.private else OWN
    return (Operation("POINT", (SELF, root, "/run/.containerenv")), Operation("POINT", ("/", root, "/run/secrets")))


def _notes(job: Job, box: Box, program: str) -> tuple[str, ...]:
    said = f"{program} starts the container"
    if box.private:
        return (said,) if job.options.copy else (f"{said}, in a private copy of the image: root writes anywhere",)
    return (
        f"{said}; the image is shown read-only, except /tmp and the home directory: "
        "--writable-copy gives it a copy of its own",
    )


ENGINE = Site()
