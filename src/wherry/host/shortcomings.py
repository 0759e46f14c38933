"""What does not stop containers and is still missed, from the facts alone: better mounts, ids, limits, storage."""

from __future__ import annotations

from wherry.host.facts import Machine, Storage
from wherry.host.obstacles import Obstacle, install_line, outer_line

__all__ = ["shortcomings"]


def shortcomings(machine: Machine) -> tuple[Obstacle, ...]:
    """Each with the line that removes it, the worst of its kind first."""
    found: list[Obstacle | None] = []
    if machine.host.userns:
        found += [_overlay(machine), _proc(machine), _network(machine), _fuse(machine), _ids(machine)]
        found.append(_supervised(machine))
    elif machine.proot.works and not machine.proot.seccomp:
        found.append(_SLOW_PROOT)
    found += [_limits(machine), *(_place(place) for place in machine.storage), _logout(machine)]
    return tuple(obstacle for obstacle in found if obstacle is not None)


_SLOW_PROOT = Obstacle(
    "proot-seccomp",
    "proot works without its seccomp acceleration only, on this kernel or as it was built",
    "export WHERRY_ENGINE_PROOT=/path/to/another/proot",
    "every system call is traced: programs that open many files take 2 to 6 times as long (those of one processor less "
    "with --cpus 1)",
    yours=True,
)


def _overlay(machine: Machine) -> Obstacle | None:
    if machine.host.overlay:
        return None
    what = "a user may not mount overlayfs here"
    if machine.host.fuse_overlayfs:
        ask = "boot Linux 5.11 or newer (Enterprise Linux: 8.5)"
        return Obstacle("overlay-none", what, ask, "fuse-overlayfs is used: files are opened more slowly")
    cost = "images are copied into one tree and shown read-only, save /tmp and the home directory"
    return Obstacle("overlay-none", what, install_line(machine, "fuse-overlayfs"), cost)


def _proc(machine: Machine) -> Obstacle | None:
    if machine.host.mount_proc:
        return None
    outer = machine.namespaces.outer
    what = "the container around it covers parts of /proc, so that no new one can be mounted"
    option = "--security-opt unmask=ALL" if outer == "podman" else "--security-opt systempaths=unconfined"
    ask = outer_line(outer, option, "start the container around it with nothing mounted below /proc")
    return Obstacle("proc-masked", what, ask, "programs see the processes of the container around it", yours=True)


def _network(machine: Machine) -> Obstacle | None:
    if machine.namespaces.network:
        return None
    ask = "sysctl -w user.max_net_namespaces=15000"
    return Obstacle("netns-none", "no user may make a network namespace", ask, "'--network none' is not possible")


def _fuse(machine: Machine) -> Obstacle | None:
    fuse = machine.fuse
    if fuse.opens and (fuse.mounts or fuse.helps):
        return None if machine.squashfuse else _no_squashfuse(machine)
    cost = "no fuse-overlayfs, and image files cannot be mounted where they lie"
    if not fuse.device:
        ask = outer_line(machine.namespaces.outer, "--device /dev/fuse", "modprobe fuse")
        return Obstacle("fuse-device", "there is no /dev/fuse", ask, cost, yours=ask != "modprobe fuse")
    if not fuse.opens:
        return Obstacle("fuse-closed", "only root may open /dev/fuse", "chmod 0666 /dev/fuse", cost)
    if not fuse.fusermount:
        what = "this kernel mounts FUSE for root only, and fusermount3 is not installed"
        return Obstacle("fusermount-none", what, install_line(machine, "fuse3"), cost)
    if machine.security.no_new_privs:
        return _no_gain("fusermount-outer", "fusermount3", cost)
    what = f"'{fuse.fusermount}' mounts nothing: has it lost its set-user-id bit?"
    return Obstacle("fusermount-powerless", what, f"chmod u+s {fuse.fusermount}", cost)


def _no_squashfuse(machine: Machine) -> Obstacle:
    what = "neither squashfuse_ll nor squashfuse is installed"
    cost = "SIF and squashfs files are unpacked into the store at their first start"
    return Obstacle("squashfuse-none", what, install_line(machine, "squashfuse"), cost)


def _ids(machine: Machine) -> Obstacle | None:
    ids, user = machine.ids, machine.host.user
    if ids.maps:
        return None
    cost = "inside a container all is owned by one id: other users and groups are not real"
    if not (ids.newuidmap and ids.newgidmap):
        what = "newuidmap and newgidmap are not installed"
        return Obstacle("newuidmap-none", what, install_line(machine, "newuidmap"), cost)
    if not (ids.uids and ids.gids):
        ask = f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        return Obstacle("subids-none", f"no subordinate ids are granted to '{user}'", ask, cost)
    if machine.security.no_new_privs:
        return _no_gain("newuidmap-outer", "newuidmap", cost)
    what = f"newuidmap does not map the ids that are granted ({ids.problem})"
    return Obstacle("newuidmap-powerless", what, f"chmod u+s {ids.newuidmap} {ids.newgidmap}", cost)


def _supervised(machine: Machine) -> Obstacle | None:
    if not machine.host.supervised:
        return None
    cost = "--fakeroot is not possible, and builds lose other owners where no subordinate ids are"
    what = machine.host.supervised
    if machine.namespaces.filtered:
        ask = "start wherry outside of the container or filter that is around it"
        return Obstacle("supervisor-outer", what, ask, cost, yours=True)
    return Obstacle("supervisor-none", what, "boot Linux 5.9 or newer", cost)


def _no_gain(name: str, program: str, cost: str) -> Obstacle:
    what = f"set-user-id programs as {program} gain nothing here (no_new_privs, or an outer container)"
    return Obstacle(name, what, "start wherry outside of the container or filter that is around it", cost, yours=True)


_WATCHED = "--memory, --cpus and --pids-limit are watched from outside, not kept by the kernel"


def _limits(machine: Machine) -> Obstacle | None:
    cgroup, user = machine.cgroup, machine.host.user
    missing = " ".join(name for name in ("cpu", "memory", "pids") if name not in cgroup.controllers)
    if not missing:
        return None
    if cgroup.version != "v2":
        what = "control groups are of version 1, in which a user can set no limits"
        ask = "grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1"
        if machine.distribution != "fedora":
            ask = "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line"
        if not cgroup.version:
            return Obstacle(
                "cgroup-none", "no control groups are mounted", "mount -t cgroup2 none /sys/fs/cgroup", _WATCHED
            )
        return Obstacle("cgroup-v1", what, ask, _WATCHED)
    if cgroup.delegated or cgroup.systemd:
        what = f"the control group that is ours has no controller for: {missing}"
        ask = "systemctl edit user@.service   # [Service] Delegate=cpu cpuset io memory pids"
        return Obstacle("cgroup-controllers", what, ask, _WATCHED)
    if machine.batch.job:
        ask = f"chown -R {user} /sys/fs/cgroup$PATH_OF_THE_JOB   # in the prolog"
        return Obstacle("cgroup-job", "the job's control group is not handed over to its user", ask, _WATCHED)
    return Obstacle("cgroup-closed", "no control group is delegated to you", f"loginctl enable-linger {user}", _WATCHED)


def _place(place: Storage) -> Obstacle | None:
    """The first thing that is wrong with a folder; of the home directory nothing is asked."""
    if place.purpose == "scratch":
        move = "export WHERRY_SCRATCH=/a/local/disk/$USER"
        if place.remote:
            what = f"the scratch folder is on a network file system ({place.kind})"
            return Obstacle("scratch-remote", what, move, "no container with a writable root can start", yours=True)
        if place.memory:
            what = f"the scratch folder is kept in memory ({place.kind})"
            return Obstacle("scratch-memory", what, move, "what a container writes takes memory", yours=True)
    if place.purpose == "store":
        return _store(place)
    return None


def _store(place: Storage) -> Obstacle | None:
    move = "export WHERRY_STORE=/another/disk/$USER/wherry"
    if place.noexec:
        what = "the store is on a file system that is mounted 'noexec'"
        return Obstacle("store-noexec", what, move, "no program of an image can be executed", yours=True)
    if place.xattrs is False:
        what = f"the store's file system ({place.kind}) takes no user attributes"
        cost = "images whose layers remove files are copied into one tree and shown read-only"
        return Obstacle("store-attributes", what, move, cost, yours=True)
    if place.remote:
        what = f"the store is on a network file system ({place.kind})"
        cost = "programs of many small files start more slowly; writable layers lie on the node"
        return Obstacle("store-remote", what, move, cost, yours=True)
    return None


def _logout(machine: Machine) -> Obstacle | None:
    if machine.survival.until != "logout":
        return None
    ask = f"loginctl enable-linger {machine.host.user}"
    return Obstacle("logout-kills", "detached containers end at logout", ask, "what must go on belongs in a batch job")
