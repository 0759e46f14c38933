"""The container as a list of mounts over an empty directory: what programs that make containers themselves are told.

The root is a directory in the scratch folder with places to mount at; over these come the image's directories,
read-only, and all else (:mod:`wherry.launch.mounts` says what, for a root without overlay). So no such program makes
mount points in the image's own tree. With a private copy of the image that copy is the root.

The command is handed over by files (ops.def, HANDOVER): variables, directory, filter and messages are the same as under
the other engines, whatever the program does with its own.
"""

from __future__ import annotations

import msgspec

from wherry.launch.confine import limit_operations, seccomp_operation
from wherry.launch.fragment import Wrapped, joinable_of
from wherry.launch.job import Job
from wherry.launch.mounts import DEVICES, Root, inside_operations
from wherry.launch.opening import books, command, opening, streams
from wherry.launch.plan import CURRENT, HANDED, INSIDE, SCRATCH, SELF, SHORT_ID, LaunchPlan, Operation

__all__ = ["OWN", "Box", "Mounted", "Program", "boxed_plan", "handed_words", "lay_out", "mounted"]

_OPTIONS = ((1, "ro"), (2, "nosuid"), (4, "nodev"), (8, "noexec"))
"""Bits of BIND and of mount(2), which are the same for these four."""
_SHALLOW, _OPTIONAL, _SLAVE = 16, 32, 128
_MORE = ((1024, "noatime"), (2048, "nodiratime"))


class Mounted(msgspec.Struct, frozen=True):
    """``kind`` is ``bind`` or a file system's type; ``options`` are those of mount(8), ``rbind`` and ``rslave`` too."""

    kind: str
    source: str
    target: str
    options: tuple[str, ...] = ()


class Box(msgspec.Struct, frozen=True):
    """``root`` is its directory, ``before`` the HOST operations that make it; ``private``: a copy of the image.

    ``masked`` and ``read_only`` are paths of the kernel's that shall be hidden, or not be written.
    """

    root: str
    before: tuple[Operation, ...]
    mounts: tuple[Mounted, ...]
    private: bool = False
    masked: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


class Program(msgspec.Struct, frozen=True):
    """How a program is called: to start the container, and to start one more process in it (``enter``)."""

    argv: tuple[str, ...]
    enter: tuple[str, ...]
    variables: tuple[str, ...] = ()


def lay_out(job: Job, *, private: bool, points: bool) -> Box:
    """The box for this start; without ``points`` the program itself makes what is mounted at."""
    root = f"{SCRATCH}/root"
    before = [Operation("MKDIR", (HANDED, 0o700))]
    before.append(Operation("COPY", (job.paths.flat, root)) if private else Operation("MKDIR", (root, 0o755)))
    own = {f"{SCRATCH}/tmp": "/tmp", f"{SCRATCH}/home": job.person.home}
    before.append(Operation("MKDIR", (f"{OWN}/tmp", 0o1777)))
    if job.person.private_home:
        before.append(Operation("MKDIR", (OWN + job.person.home, 0o700)))
    mounts: list[Mounted] = []
    for path in job.options.places:
        before.append(Operation("MKDIR", (OWN + path, 0o755)))
        mounts.append(Mounted("bind", OWN + path, path, ("rbind", "nosuid", "nodev")))
    if not private:  # some programs put files of theirs there
        before.append(Operation("MKDIR", (f"{OWN}/run", 0o755)))
        mounts.append(Mounted("bind", f"{OWN}/run", "/run", ("rbind", "nosuid", "nodev")))
    masked: list[str] = []
    read_only: list[str] = []
    for item in inside_operations(Root.TREE, job):
        if item.kind == "DIRECTORY" and not private:
            before.append(Operation("MKDIR", (root + str(item.fields[0]), item.fields[1])))
        elif item.kind == "SYMLINK" and not private and not str(item.fields[1]).startswith("/dev/"):
            before.append(Operation("LINK", (item.fields[0], root + str(item.fields[1]))))
        elif item.kind == "MASK":
            masked.append(str(item.fields[0]))
        elif item.kind == "BIND" and str(item.fields[0]) == str(item.fields[1]) in _KERNEL_PARTS:
            read_only.append(str(item.fields[1]))
        elif (
            item.kind == "BIND"
            and str(item.fields[0]) != f"{job.paths.flat}/run"
            and not (private and str(item.fields[0]).startswith(f"{job.paths.flat}/"))
        ):
            mounts += [
                msgspec.structs.replace(found, source=OWN + own[found.source]) if found.source in own else found
                for found in _bound(job, item)
            ]
        elif item.kind == "MOUNT":
            mounts.append(mounted(item))
    mounts += [
        Mounted("bind", HANDED, INSIDE[0], ("rbind", "nosuid", "nodev")),
        Mounted("bind", SELF, INSIDE[1], ("rbind", "ro", "nosuid", "nodev")),
    ]
    last = {item.target: number for number, item in enumerate(mounts)}
    mounts = [item for number, item in enumerate(mounts) if last[item.target] == number]  # podman takes no two
    before.append(Operation("POINT", (SELF, HANDED, INSIDE[1].removeprefix(INSIDE[0]))))
    if points:
        places = [item for item in mounts if not item.target.startswith("/dev/")]
        for place in places:
            source = place.source if place.kind == "bind" else "/"
            before.append(Operation("POINT", (source, root, place.target)))
            if place.target.startswith((CURRENT, "/tmp/", "/run/", f"{job.person.home}/")):
                before.append(Operation("POINT", (source, OWN, place.target)))
    return Box(root, tuple(before), tuple(mounts), private, tuple(masked), tuple(read_only))


def boxed_plan(
    job: Job,
    box: Box,
    program: Program,
    *,
    before: tuple[Operation, ...] = (),
    filtered: bool = False,
    notes: tuple[str, ...] = (),
) -> LaunchPlan:
    """The plan that starts ``program`` after ``before`` (HOST). ``filtered``: it installs the filter itself."""
    environment = list(job.environment)
    if job.surroundings.zone:
        environment.insert(0, Operation("ENV_SET", ((f"TZ={job.surroundings.zone}",),)))
    scratch = job.paths.scratch if job.kept is None else (job.kept.scratch or job.paths.scratch)
    binds = [item for item in box.mounts if item.kind == "bind"]
    wrapped = Wrapped(
        program.enter,
        program.variables,
        scratch,
        inside=True,
        root=box.root,
        shown=tuple((item.source, item.target) for item in binds),
        handed=True,
        filtered=filtered,
    )
    joinable = joinable_of(
        job.options, job.person, job.directory, environment, job.surroundings.profile, wrapped=wrapped
    )
    confinement = seccomp_operation(job.options.seccomp, job.surroundings.profile, job.host)
    fragment = job.fragment
    operations = [
        *opening(job, fragment, joinable, 0),
        *box.before,
        *before,
        *books(job, fragment),
        *streams(job),
        Operation("SOURCES", (tuple(dict.fromkeys(item.source for item in binds)),)),
        Operation("PLAIN"),
        Operation("WRAP", (program.argv, program.variables)),
        Operation("INSIDE"),
        Operation("HANDOVER", (f"{HANDED}/{SHORT_ID}",)),
        *limit_operations(job.options),
        *environment,
        Operation("CWD", (job.directory, 1)),
        *([] if filtered else [confinement]),
        command(job),
    ]
    return LaunchPlan((), tuple(operations), job.names.files, (*job.notes, *notes), reusable=job.kept is None)


def mounted(item: Operation) -> Mounted:
    """A BIND or MOUNT operation."""
    if item.kind == "BIND":
        source, target, bits = str(item.fields[0]), str(item.fields[1]), int(str(item.fields[2]))
        options = ["bind" if bits & _SHALLOW else "rbind", *(name for bit, name in _OPTIONS if bits & bit)]
        return Mounted("bind", source, target, (*options, "rslave") if bits & _SLAVE else tuple(options))
    kind, device, flags, data, place = (str(field) for field in item.fields)
    options = [name for bit, name in (*_OPTIONS, *_MORE) if int(flags) & bit]
    return Mounted(kind, device, place, (*options, *(part for part in data.split(",") if part)))


def handed_words() -> tuple[str, str]:
    """What the program starts inside: our launcher, which finds there what to start."""
    return (INSIDE[1], f"{INSIDE[0]}/{SHORT_ID}")


OWN = f"{SCRATCH}/own"
"""What the container may write, at the same paths as inside; there places are made for what is mounted below."""
_KERNEL_PARTS = tuple(f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger"))


def _bound(job: Job, item: Operation) -> list[Mounted]:
    source, target, bits = str(item.fields[0]), str(item.fields[1]), int(str(item.fields[2]))
    if bits & _OPTIONAL and source in job.surroundings.absent:
        return []
    if source == target and source.removeprefix("/dev/") in DEVICES:
        return []  # such programs show these by themselves
    found = mounted(item)
    if target[:1] != CURRENT:
        found = msgspec.structs.replace(found, target=job.tree.resolve(target))
    return [found]
