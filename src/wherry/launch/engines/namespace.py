"""The engine ``namespace``: the launcher itself makes user, mount and other namespaces; all that Wherry can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.host import Host
from wherry.launch.confine import confine_operations, limit_operations
from wherry.launch.engines.engine import FEATURES, Need
from wherry.launch.fragment import joinable_of
from wherry.launch.job import Job
from wherry.launch.mounts import Root, choose_root, inside_operations, root_folders, written_folders
from wherry.launch.opening import books, command, opening, streams
from wherry.launch.options import RunOptions
from wherry.launch.plan import LaunchPlan, Operation

if TYPE_CHECKING:
    from wherry.host import Machine, Obstacle

__all__ = ["ENGINE"]

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)


class Namespace:
    """User namespaces by our own launcher."""

    name = "namespace"

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        from wherry.host import against

        return next(iter(against(machine, self.name)), None)

    def features(self, host: Host) -> frozenset[str]:
        return FEATURES

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        return ""

    def plan(self, job: Job) -> LaunchPlan:
        kind, notes = choose_root(job.options, job.image, job.host, job.paths)
        environment = list(job.environment)
        if kind in (Root.TREE, Root.COPY) and job.surroundings.zone:
            environment.insert(0, Operation("ENV_SET", ((f"TZ={job.surroundings.zone}",),)))
        confinement = confine_operations(job.options, job.person.uid, job.surroundings, job.host)
        joinable = joinable_of(
            job.options,
            job.person,
            job.directory,
            environment,
            job.surroundings.profile,
            ranged=job.surroundings.subordinate is not None,
        )
        mapped, becoming = _ids(job, kind)
        flags = NEWUSER | NEWNS | NEWPID | NEWUTS | NEWCGROUP | (NEWNET if job.isolated_network else 0)
        flags |= 0 if job.options.shared_ipc else NEWIPC
        fragment = job.fragment
        operations = [
            *opening(job, fragment, joinable, flags),
            *root_folders(kind, job.options, job.paths),
            Operation("MKDIR", (f"{job.paths.runtime}/root", 0o700)),
            *books(job, fragment),
            *streams(job),
            *_namespaces(job, flags, kind),
            *mapped,
            *inside_operations(kind, job),
            *limit_operations(job.options),
            *environment,
            *_start_directory(job),
            *becoming,
            *confinement,
            command(job),
        ]
        return LaunchPlan((), tuple(operations), job.names.files, (*job.notes, *notes), reusable=job.kept is None)


def _namespaces(job: Job, flags: int, kind: str) -> list[Operation]:
    if not job.options.fakeroot:
        return [Operation("NAMESPACE", (flags, job.person.uid, job.person.gid))]
    from wherry.launch.supervising import supervise_operation

    upper, _ = written_folders(job.options)
    supervise = supervise_operation(job.person, job.paths, upper, overlay=kind == Root.OVERLAY)
    return [Operation("NAMESPACE", (flags, 0, 0)), supervise]


def _start_directory(job: Job) -> list[Operation]:
    if not job.options.home_or_root:
        return [Operation("CWD", (job.directory, 1))]
    return [Operation("CWD", ("/", 0)), *(Operation("CWD", (path, 2)) for path in (job.person.home, job.directory))]


def _ids(job: Job, kind: str) -> tuple[list[Operation], list[Operation]]:
    """HOST and COMMAND operations where the container has other ids than the caller's."""
    range_ = job.surroundings.subordinate
    if range_ is None:
        return [], []
    from wherry.launch.idmap import id_operations, require_overlay

    require_overlay(fuse=kind == Root.FUSE)
    mapped, becoming = id_operations(job.person, job.host, range_, as_built=job.options.as_built)
    return [mapped], [becoming]


ENGINE = Namespace()
