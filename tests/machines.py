"""Machines that nobody owns, as frozen values: one on which everything works, and changes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.host.facts import Cgroup, Fuse, Ids, Machine, Namespaces, Program, Proot, Security, Storage, Tracing
from wherry.host.machine import Host

__all__ = ["GOOD", "changed", "refused"]

GOOD = Machine(
    host=Host(
        uid=1000,
        gid=1000,
        group="ada",
        groups=(),
        user="ada",
        home="/home/ada",
        shell="/bin/bash",
        node="node7",
        boot_id="boot",
        kernel="6.1.0",
        architecture="amd64",
        userns=True,
        overlay=True,
        volatile=True,
        mount_proc=True,
    ),
    namespaces=Namespaces(limit=60000, network=True),
    fuse=Fuse(True, True, True, "/usr/bin/fusermount3", True),
    squashfuse="/usr/bin/squashfuse_ll",
    ids=Ids(65536, 65536, "/usr/bin/newuidmap", "/usr/bin/newgidmap", True),
    cgroup=Cgroup("v2", "/user.slice", "/sys/fs/cgroup/user.slice", True, ("cpu", "memory", "pids")),
    tracing=Tracing(1, True),
    security=Security(),
    proot=Proot("/usr/bin/proot", True, True),
    interpose="/opt/wherry/_native/wherry-interpose",
    runtimes=(Program("crun", "/usr/bin/crun"),),
    sites=(Program("apptainer", "/usr/bin/apptainer"),),
    storage=(Storage("home", "/home/ada", "ext4"), Storage("store", "/home/ada/store", "ext4", xattrs=True)),
    distribution="debian",
)
"""Debian on somebody's desk, with all that Wherry can make use of."""


def changed(part: str, machine: Machine = GOOD, **facts: Any) -> Machine:
    """The machine with other facts in one part (``host``, ``fuse``, ...)."""
    return msgspec.structs.replace(machine, **{part: msgspec.structs.replace(getattr(machine, part), **facts)})


def refused(problem: str, **namespaces: Any) -> Machine:
    """A machine whose kernel answered ``problem`` when namespaces were tried."""
    machine = changed("host", userns=False, overlay=False, volatile=False, mount_proc=False, problem=problem)
    return changed("namespaces", machine, network=False, **namespaces)
