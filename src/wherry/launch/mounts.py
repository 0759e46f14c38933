"""What a container sees: its root, ``/proc``, ``/sys``, ``/dev``, and what the user binds.

Mount points that the image lacks stand in the names layer where they are known, are made in a layer of their own by the
launcher (``native/launcher/points.h``), or, where the writable layer stays, in that.
"""

from __future__ import annotations

from wherry.base.errors import HostLacks, UsageError
from wherry.host import Host
from wherry.launch.binds import (
    BIND_NODEV,
    BIND_NOEXEC,
    BIND_NOSUID,
    BIND_OPTIONAL,
    BIND_READ_ONLY,
    BIND_SHALLOW,
    user_mounts,
)
from wherry.launch.confine import may_mount
from wherry.launch.job import Job
from wherry.launch.names import NamesLayer
from wherry.launch.options import RunOptions
from wherry.launch.plain import plain_binds, shows_plainly
from wherry.launch.plan import SCRATCH, Operation, Paths
from wherry.launch.underlay import underlay
from wherry.launch.views import Image, Tree

__all__ = [
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "OVERLAY_UNWRITTEN",
    "Root",
    "choose_root",
    "inside_operations",
    "require_own",
    "root_folders",
    "written_folders",
]

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
OVERLAY_USERXATTR, OVERLAY_VOLATILE, OVERLAY_NUMBERS, OVERLAY_POINTS, OVERLAY_UNWRITTEN = 1, 2, 4, 8, 16
_COPY = f"{SCRATCH}/copy"
_STRICT = MS_NOSUID | MS_NODEV | MS_NOEXEC

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr"), ("pts/ptmx", "ptmx"))

# Docker's lists. For an ordinary user the kernel's own permissions guard all of these (they belong to the real root,
# whom nobody inside is), and each costs a mount; for root on the host they matter.
_MASKED = ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list")
_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")


class Root:
    """How the root is made: ``overlay``, ``fuse``, ``tree`` (flattened, read-only), ``copy`` (a tree of its
    own) or ``own`` (an unpacked image's directory, which is written)."""

    OVERLAY, FUSE, TREE, COPY, OWN = "overlay", "fuse", "tree", "copy", "own"


def choose_root(options: RunOptions, image: Image, host: Host, paths: Paths) -> tuple[str, tuple[str, ...]]:
    """The kind of root that image and host allow, and what to tell the user; raises :class:`HostLacks`.

    ``--writable-copy``: where neither overlay nor FUSE can be had, the container gets a tree of its own.
    """
    if options.in_place:
        require_own(image)
        return Root.OWN, ()
    overlay_layers = all(layer.meta.overlay for layer in image.layers)
    if overlay_layers and host.overlay:
        return Root.OVERLAY, ()
    if overlay_layers and host.fuse_overlayfs:
        return Root.FUSE, ("this kernel has no overlayfs for users: fuse-overlayfs is used, which is slower",)
    if not paths.flat:
        raise HostLacks(
            f"cannot put the layers of '{image.reference}' together",
            why="overlayfs is not possible here, and there is no flattened tree",
            hint="install fuse-overlayfs, or move the store to a local disk (WHERRY_STORE)",
        )
    if options.upper or options.extra_layers:
        raise HostLacks("cannot lay a directory over the image", why="it takes overlayfs, which is not possible here")
    if options.copy:
        return Root.COPY, ()
    if may_mount(options):
        raise HostLacks(
            f"cannot show '{image.reference}' to who may mount",
            why="it is shown from the store where overlayfs is not possible, and could be made writable there",
            hint="--writable-copy gives the container a copy of its own; or leave out --privileged and --cap-add",
        )
    reason = (
        "this kernel has no overlayfs for users" if overlay_layers else "the store's file system cannot hold layers"
    )
    return Root.TREE, (
        f"{reason}: the image is shown read-only, except /tmp and the home directory; to write elsewhere bind a "
        "directory there (-v DIRECTORY:PATH), or say --writable-copy",
    )


def root_folders(kind: str, options: RunOptions, paths: Paths) -> list[Operation]:
    """HOST operations: the folders in the scratch folder that the root needs.

    Nothing is made from outside in the upper directory: in that of a container that ran before, a symbolic link that
    its programs left would lead out of it.
    """
    if kind == Root.COPY:
        return [Operation("COPY", (paths.flat, _COPY))]
    if kind == Root.TREE:
        return [_mkdir("/root", 0o755), _mkdir("/tmp", 0o1777), _mkdir("/home", 0o700)]
    if kind == Root.OWN:
        return []
    upper, work = written_folders(options)
    return [Operation("MKDIR", (upper, 0o755)), Operation("MKDIR", (work, 0o700))]


def inside_operations(kind: str, job: Job) -> list[Operation]:
    """INIT operations, in their order, for a root of this kind."""
    options, tree, host, person, names = job.options, job.tree, job.host, job.person, job.names
    point = f"{job.paths.runtime}/root"
    mounts = user_mounts(options, host, here=job.here, home=job.home)
    targets = [operation.fields[4 if operation.kind == "MOUNT" else 1] for operation in mounts]
    steps = [Operation("HOSTNAME", (options.hostname,))] if options.hostname else []
    if kind == Root.TREE:
        steps += underlay(tree, job.paths.flat, point, [*map(str, targets), *names.shown, person.home])
    elif kind in (Root.COPY, Root.OWN):
        own = _COPY if kind == Root.COPY else job.image.layers[0].tree
        steps += [Operation("TREE", (own, point, BIND_NOSUID | BIND_NODEV)), Operation("ROOT", (point,))]
        steps += [Operation("DIRECTORY", (person.home, 0o700))] if person.private_home else []
        steps += _name_binds(names, tree)
    else:
        steps += [
            _layers(kind, job, point, binds=any(step.kind == "BIND" for step in mounts)),
            Operation("ROOT", (point,)),
            *plain_binds(job, map(str, targets)),
        ]
    if not any(target == "/dev" for target in targets):
        steps += _devices(shared_ipc=options.shared_ipc)
    if kind == Root.TREE:
        temporary = [path for path in ("/tmp", "/var/tmp") if path == "/tmp" or tree.exists(path)]
        steps += [Operation("BIND", (f"{SCRATCH}/tmp", path, BIND_NOSUID | BIND_NODEV)) for path in temporary]
        if person.private_home:
            steps.append(Operation("BIND", (f"{SCRATCH}/home", person.home, BIND_NOSUID | BIND_NODEV)))
        steps += _name_binds(names, tree)
    if person.is_other and person.private_home:
        steps.append(Operation("OWNER", (person.home, person.uid, person.gid)))
    steps += mounts
    if options.named and kind != Root.TREE:
        steps.append(Operation("NAMED", (options.named,)))
    # Last: while mount points are made, a link of the image to /proc/self/fd/N would lead to what we hold of the host.
    steps += _kernel_views(host)
    if job.isolated_network:
        steps.append(Operation("LOOPBACK"))
    if host.uid == 0:
        steps += [Operation("MASK", (f"/proc/{name}",)) for name in _MASKED]
        steps += [Operation("MASK", (path,)) for path in ("/sys/firmware", "/sys/devices/virtual/powercap")]
        steps += [
            Operation("BIND", (f"/proc/{name}", f"/proc/{name}", BIND_READ_ONLY | BIND_OPTIONAL)) for name in _READ_ONLY
        ]
    if options.read_only and kind != Root.TREE:
        steps.append(Operation("READONLY", ("/",)))
    return steps


def _mkdir(name: str, mode: int) -> Operation:
    return Operation("MKDIR", (f"{SCRATCH}{name}", mode))


def written_folders(options: RunOptions) -> tuple[str, str]:
    """The overlay's upper and work directory."""
    place = options.upper or SCRATCH
    return f"{place}/upper", f"{place}/work"


def require_own(image: Image) -> None:
    """Raise :class:`UsageError` unless the image is a directory, which may be changed in place."""
    if not image.reference.endswith("/"):
        raise UsageError(
            f"cannot write to '{image.reference}'",
            why="only an image that was unpacked into a directory can be changed in place",
            hint="leave the changes in a directory of yours, or unpack the image first",
        )


def _layers(kind: str, job: Job, point: str, *, binds: bool) -> Operation:
    host, image, options = job.host, job.image, job.options
    layers = (job.names.tree, *reversed(options.extra_layers), *(layer.tree for layer in reversed(image.layers)))
    upper, work = written_folders(options)
    if kind == Root.OVERLAY:
        stays = job.kept is not None or options.upper is not None
        bits = OVERLAY_USERXATTR | (OVERLAY_NUMBERS if options.fakeroot else 0)
        bits |= OVERLAY_VOLATILE if host.volatile and not stays else 0
        bits |= OVERLAY_POINTS if binds and not stays and not options.fakeroot else 0
        # What a whiteout hides the launcher would take for there, and make nothing.
        unwritten = shows_plainly(job) and not any(layer.meta.whiteouts for layer in image.layers)
        bits |= OVERLAY_UNWRITTEN if unwritten else 0
        return Operation("OVERLAY", (layers, upper, work, point, bits))
    for path in layers:
        if ":" in path or "," in path:
            raise UsageError(f"the store's path '{path}' cannot be used with fuse-overlayfs", why="it has a ':' or ','")
    parts = (f"lowerdir={':'.join(layers)}", f"upperdir={upper}", f"workdir={work}")
    return Operation("FUSE", ((host.fuse_overlayfs, "-o", ",".join(parts), point), point))


def _kernel_views(host: Host) -> list[Operation]:
    if host.mount_proc:
        proc = Operation("MOUNT", ("proc", "proc", _STRICT, "", "/proc"))
    else:  # an outer container hides parts of its /proc, so the kernel refuses a fresh one
        proc = Operation("BIND", ("/proc", "/proc", BIND_NOSUID | BIND_NODEV | BIND_NOEXEC))
    return [proc, Operation("BIND", ("/sys", "/sys", BIND_READ_ONLY | BIND_NOSUID | BIND_NODEV | BIND_NOEXEC))]


def _devices(*, shared_ipc: bool) -> list[Operation]:
    # 'gid=5' is left out: that group is not mapped, and the kernel would refuse.
    terminals = "newinstance,ptmxmode=0666,mode=0620"
    bits = BIND_NOSUID | BIND_NOEXEC | BIND_OPTIONAL | BIND_SHALLOW
    return [
        Operation("MOUNT", ("tmpfs", "tmpfs", MS_NOSUID, "mode=755,size=64k", "/dev")),
        *[Operation("BIND", (f"/dev/{name}", f"/dev/{name}", bits)) for name in DEVICES],
        Operation("MOUNT", ("devpts", "devpts", MS_NOSUID | MS_NOEXEC, terminals, "/dev/pts")),
        Operation("MOUNT", ("tmpfs", "shm", _STRICT, "mode=1777", "/dev/shm")),
        # A view of queues that are not the container's own is refused by the kernel.
        *([] if shared_ipc else [Operation("MOUNT", ("mqueue", "mqueue", _STRICT, "", "/dev/mqueue"))]),
        *[Operation("SYMLINK", (content, f"/dev/{name}")) for content, name in _LINKS],
    ]


def _name_binds(names: NamesLayer, tree: Tree) -> list[Operation]:
    """The names layer where it cannot be a layer: each file bound, read-only."""
    bits = BIND_READ_ONLY | BIND_NOSUID | BIND_NODEV | BIND_NOEXEC | BIND_SHALLOW
    shown = dict(names.shown)
    if tree.resolve("/etc/localtime") != "/etc/localtime":
        shown.pop("/etc/localtime", None)  # a link in a read-only tree cannot be replaced; TZ says it instead
    return [Operation("BIND", (source, target, bits)) for target, source in sorted(shown.items())]
