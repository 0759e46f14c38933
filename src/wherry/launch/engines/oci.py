"""The engine ``oci``: a runtime of the OCI specification (crun, runc, youki) makes the container from a bundle.

For sites that want one runtime for all, or whose runtime does more than namespaces (a virtual machine, a sandboxed
kernel). The bundle lies in the scratch folder; what belongs to a start alone is handed over by files, so that a plan
serves many starts.
"""

from __future__ import annotations

from wherry.base.errors import HostLacks
from wherry.host import Host, Machine, Obstacle, against
from wherry.launch.engines.box import Box, Program, boxed_plan, handed_words, lay_out
from wherry.launch.engines.bundle import Bundle, bundle_text, filter_of
from wherry.launch.engines.engine import FEATURES, Need
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import SCRATCH, LaunchPlan, Operation

__all__ = ["ENGINE"]

_BUNDLE = f"{SCRATCH}/bundle"
_NAME = "box"
"""The runtime's name for the container; its list of containers is in the scratch folder, too, and has this one."""
_GLOBAL = {"crun": ("--cgroup-manager=disabled",)}
"""Without this crun would want a systemd of the user's own."""


class Oci:
    """Runtimes of https://github.com/opencontainers/runtime-spec."""

    name = "oci"

    def lacks(self, need: Need, machine: Machine) -> Obstacle | None:
        return next(iter(against(machine, self.name)), None)

    def features(self, host: Host) -> frozenset[str]:
        return FEATURES

    def tree(self, options: RunOptions, uid: int, host: Host) -> str:
        return "flat"

    def plan(self, job: Job) -> LaunchPlan:
        assert job.machine is not None
        runtime = job.machine.runtimes[0]
        if runtime.name == "runc" and job.person.uid != 0:
            raise _wants_root(job.machine)
        private = job.options.copy or job.person.uid == 0
        box = lay_out(job, private=private, points=not private)
        bundle = Bundle(
            root=box.root,
            read_only=job.options.read_only or not box.private,
            args=handed_words(),
            env=("PATH=/usr/bin:/bin",),
            cwd="/",
            uid=job.person.uid,
            gid=job.person.gid,
            mounts=box.mounts,
            hostname=job.options.hostname or "",
            terminal=job.options.terminal,
            isolated_network=job.isolated_network,
            cap_add=job.options.cap_add,
            cap_drop=job.options.cap_drop,
            filter=filter_of(job.options.seccomp, job.surroundings.profile, job.host),
        )
        written = (
            Operation("MKDIR", (_BUNDLE, 0o700)),
            Operation("WRITE", (f"{_BUNDLE}/config.json", bundle_text(bundle, job.host))),
        )
        call = (runtime.path, *_GLOBAL.get(runtime.name, ()), "--root", f"{SCRATCH}/oci")
        user = f"{job.person.uid}:{job.person.gid}"
        program = Program((*call, "run", "--bundle", _BUNDLE, _NAME), (*call, "exec", "--user", user, _NAME))
        return boxed_plan(job, box, program, before=written, filtered=True, notes=_notes(job, box))


def _wants_root(machine: Machine) -> HostLacks:
    others = [f"'{each.path}' does not work here: {each.problem}" for each in machine.runtimes if each.problem]
    return HostLacks(
        "runc starts no container as you",
        why="; ".join(["it wants the id 0 inside, and a user may show one id only", *others]),
        hint=f"{'' if others else 'install crun; or '}say -u root, which is you outside",
    )


def _notes(job: Job, box: Box) -> tuple[str, ...]:
    if box.private:
        return () if job.options.copy else ("the container gets a private copy of the image, for root writes anywhere",)
    return (
        "the image is shown read-only, except /tmp and the home directory; "
        "--writable-copy gives the container a copy of its own",
    )


ENGINE = Oci()
