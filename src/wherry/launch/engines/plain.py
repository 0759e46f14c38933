"""What all engines without namespaces share: what is shown inside, the folders behind it, and the plan around a program
of the host that enters the root.

There are no mounts: a *shown* path is handed to that program, which makes it appear at another place.
"""

from __future__ import annotations

import msgspec

from wherry.base.errors import HostLacks, UsageError
from wherry.host import Host
from wherry.launch.binds import BIND_OPTIONAL, BIND_READ_ONLY, user_mounts
from wherry.launch.confine import limit_operations, seccomp_operation, takes_turns
from wherry.launch.fragment import Wrapped, joinable_of
from wherry.launch.job import Job
from wherry.launch.opening import books, command, opening, streams
from wherry.launch.options import RunOptions
from wherry.launch.plan import SCRATCH, LaunchPlan, Operation

__all__ = [
    "READ_ONLY_NOTE",
    "Shown",
    "Wrap",
    "must_copy",
    "plain_plan",
    "require_closed",
    "require_no_colon",
    "shown_paths",
]

_KERNEL = ("/dev", "/proc", "/sys")
_WRITABLE = (("/tmp", "tmp", 0o1777), ("/var/tmp", "var-tmp", 0o1777), ("/run", "run", 0o755))


READ_ONLY_NOTE = (
    "the image is shown read-only, except /tmp, /var/tmp, /run and the home directory; "
    "--writable-copy gives the container a copy of its own"
)


class Shown(msgspec.Struct, frozen=True):
    """A path of the host (or a slot) and where it appears inside."""

    source: str
    target: str
    read_only: bool = False


class Wrap(msgspec.Struct, frozen=True):
    """The program that starts the command: the tree ``root`` that it enters, its argv (slots anywhere), its variables.

    ``lacking`` are system calls that it would let through untranslated. ``inside``: its last word is a path at which
    it shows our launcher, which then starts the command (ops.def, INSIDE).
    """

    root: str
    argv: tuple[str, ...]
    variables: tuple[str, ...] = ()
    inside: bool = False
    lacking: tuple[str, ...] = ()


def shown_paths(job: Job) -> tuple[Shown, ...]:
    """All that is shown inside, parents before children: kernel views, writable folders, identity files (a build's step
    has these in its own tree), what the user binds. Later ones lie over earlier ones."""
    mounts = [item for item in user_mounts(job.options, job.host, here=job.here, home=job.home) if item.kind == "BIND"]
    taken = {str(item.fields[1]) for item in mounts}
    found = [Shown(path, path) for path in _KERNEL if path not in taken]
    found += [Shown(f"{SCRATCH}/{name}", path) for path, name, _ in _writable(job) if path not in taken]
    if job.person.private_home and job.person.home not in taken:
        found.append(Shown(f"{SCRATCH}/home", job.person.home))
    for target, source in sorted(() if job.options.as_built else job.names.shown.items()):
        # A link in a tree that is not written cannot be replaced; TZ says the zone instead.
        if target != "/etc/localtime" or job.tree.resolve(target) == target:
            found.append(Shown(source, target, read_only=True))
    for item in mounts:
        source, target, bits = str(item.fields[0]), str(item.fields[1]), int(str(item.fields[2]))
        if not (bits & BIND_OPTIONAL and source in job.surroundings.absent):
            found.append(Shown(source, target, read_only=bool(bits & BIND_READ_ONLY)))
    return tuple(found)


def plain_plan(
    job: Job, wrap: Wrap, shown: tuple[Shown, ...], *, before: tuple[Operation, ...] = (), notes: tuple[str, ...] = ()
) -> LaunchPlan:
    """The whole plan: the opening, folders for what is shown, ``before`` (HOST operations of the engine's),
    then the command by ``wrap``."""
    environment = list(job.environment)
    if job.surroundings.zone:
        environment.insert(0, Operation("ENV_SET", ((f"TZ={job.surroundings.zone}",),)))
    scratch = job.paths.scratch if job.kept is None else (job.kept.scratch or job.paths.scratch)
    pairs = tuple((path.source, path.target) for path in shown)
    wrapped = Wrapped(wrap.argv, wrap.variables, scratch, wrap.inside, wrap.root, wrap.lacking, pairs)
    joinable = joinable_of(
        job.options, job.person, job.directory, environment, job.surroundings.profile, wrapped=wrapped
    )
    fragment = job.fragment
    operations = [
        *opening(job, fragment, joinable, 0),
        *_folders(job),
        *before,
        *books(job, fragment),
        *streams(job),
        Operation("SOURCES", (_sources(job, shown),)),
        Operation("PLAIN"),
        Operation("WRAP", (wrap.argv, wrap.variables)),
        *([Operation("INSIDE")] if wrap.inside else []),
        *([Operation("TURNS")] if wrap.inside and takes_turns(job.options.seccomp) else []),
        *limit_operations(job.options),
        *environment,
        Operation("CWD", (job.directory, 1)),
        seccomp_operation(job.options.seccomp, job.surroundings.profile, job.host, wrap.lacking),
        command(job),
    ]
    return LaunchPlan((), tuple(operations), job.names.files, (*job.notes, *notes), reusable=job.kept is None)


def _sources(job: Job, shown: tuple[Shown, ...]) -> tuple[str, ...]:
    """What must be looked for at each start: what is the user's. Our own was made, or is an input of the plan."""
    own = {*_KERNEL, *job.names.shown.values()}
    return tuple(path.source for path in shown if path.source not in own and not path.source.startswith(SCRATCH))


def must_copy(options: RunOptions, uid: int, host: Host) -> bool:
    """Whether a user shown as ``uid`` gets a private copy: who asks for one, and root, whom no missing bit stops."""
    return options.copy or uid == 0 or host.uid == 0


def require_closed(job: Job) -> None:
    """Raise :class:`HostLacks` where an unpacked image's directory could be written to from inside."""
    if job.surroundings.open_tree:
        raise HostLacks(
            f"the engine '{job.engine}' cannot keep '{job.image.reference}' as it is",
            why="you may write there, and without namespaces nothing keeps the container's programs from it",
            hint="--writable-copy gives the container a copy of its own; --engine namespace needs none",
        )


def require_no_colon(shown: tuple[Shown, ...], program: str) -> None:
    """Raise :class:`UsageError` for a path that cannot stand in the program's options; slots are not looked into."""
    for path in shown:
        for text in (path.source, path.target):
            if ":" in text:
                raise UsageError(
                    f"cannot bind '{text}'",
                    why=f"{program} takes no path with a ':'",
                    hint="make a symbolic link to it whose path has none, or use --engine namespace",
                )


def _writable(job: Job) -> list[tuple[str, str, int]]:
    if job.options.as_built:  # what is written anywhere else is part of the image
        return [("/dev/shm", "shm", 0o1777)]
    if job.options.in_place:
        return [(path, f"place-{number}", 0o755) for number, path in enumerate(job.options.places)]
    found = [entry for entry in _WRITABLE if entry[0] == "/tmp" or job.tree.exists(entry[0])]
    return found + [(path, f"place-{number}", 0o755) for number, path in enumerate(job.options.places)]


def _folders(job: Job) -> list[Operation]:
    found = [Operation("MKDIR", (f"{SCRATCH}/{name}", mode)) for _, name, mode in _writable(job)]
    found.append(Operation("MKDIR", (f"{SCRATCH}/home", 0o700)))
    if job.tree.exists("/run/lock") and any(path == "/run" for path, _, _ in _writable(job)):
        found.append(Operation("MKDIR", (f"{SCRATCH}/run/lock", 0o1777)))
    return found
