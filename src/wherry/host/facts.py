"""What is known of a machine beyond what every start needs: frozen values, in the words of ``docs/design/host.md``."""

# Without 'from __future__ import annotations': msgspec would compile each annotation's text.
from typing import Literal

import msgspec

from wherry.host.machine import Host

__all__ = [
    "Batch",
    "Cgroup",
    "Fuse",
    "Gpu",
    "Ids",
    "Machine",
    "Mpi",
    "Namespaces",
    "Processor",
    "Program",
    "Proot",
    "Security",
    "Storage",
    "Survival",
    "Tracing",
]


class Namespaces(msgspec.Struct, frozen=True):
    """The switches that may forbid namespaces (None: this kernel has no such switch), and what surrounds us.

    ``limit`` is ``user.max_user_namespaces``, ``clone`` ``kernel.unprivileged_userns_clone``, ``apparmor``
    ``kernel.apparmor_restrict_unprivileged_userns``. ``network``: a namespace with a network of its own can be made.
    ``filtered``: a seccomp filter is upon us. ``outer`` is the container around us: docker, podman, wherry, apptainer,
    ..., ``container`` for an unknown one, ``""`` for none. ``initramfs``: the root directory is the kernel's first
    one, which ``pivot_root`` refuses; ``chroot``: it is no mount point, and the kernel gives no namespaces there.
    """

    limit: int | None = None
    clone: int | None = None
    apparmor: int | None = None
    network: bool = False
    filtered: bool = False
    outer: str = ""
    initramfs: bool = False
    chroot: bool = False


class Fuse(msgspec.Struct, frozen=True):
    """``device``: ``/dev/fuse`` is there; ``opens``: this user may open it; ``mounts``: a FUSE file system mounts in a
    namespace of the user's own. ``fusermount`` is the path of ``fusermount3`` (else ``fusermount``), ``helps`` that it
    mounted one outside."""

    device: bool = False
    opens: bool = False
    mounts: bool = False
    fusermount: str = ""
    helps: bool = False


class Ids(msgspec.Struct, frozen=True):
    """Subordinate ids: how many the files grant, the paths of the helpers, and whether a range was really mapped.

    ``problem`` is what the helper said when it was not.
    """

    uids: int = 0
    gids: int = 0
    newuidmap: str = ""
    newgidmap: str = ""
    maps: bool = False
    problem: str = ""


class Cgroup(msgspec.Struct, frozen=True):
    """``version`` is v1, v2, hybrid (v2 without controllers beside v1) or ``""``; ``path`` our own in the v2 tree.

    ``delegated``: a child was made in ``folder`` and a process moved into it. ``systemd``: a systemd of the user's own
    answers, which makes such cgroups when asked (``systemd-run --user``). ``controllers`` are those that the former
    offers, else the latter.
    """

    version: Literal["v1", "v2", "hybrid", ""] = ""
    path: str = ""
    folder: str = ""
    delegated: bool = False
    controllers: tuple[str, ...] = ()
    systemd: bool = False


class Tracing(msgspec.Struct, frozen=True):
    """``scope`` is Yama's ``ptrace_scope`` (None: no Yama); ``works``: a child was traced; ``problem`` why not."""

    scope: int | None = None
    works: bool = False
    problem: str = ""


class Security(msgspec.Struct, frozen=True):
    """``modules``: the security modules of the kernel; ``selinux``: enforcing, permissive or ``""``; ``label``: the
    SELinux context or AppArmor profile that we run under; ``landlock``: its version, 0 for none; ``no_new_privs``:
    set-id programs (newuidmap, fusermount3) gain nothing here."""

    modules: tuple[str, ...] = ()
    selinux: Literal["enforcing", "permissive", ""] = ""
    label: str = ""
    landlock: int = 0
    no_new_privs: bool = False


class Storage(msgspec.Struct, frozen=True):
    """A folder that Wherry uses and the file system that it lies on (the nearest existing parent's).

    ``purpose`` is home, store or scratch. ``remote``: other nodes see it too. ``memory``: it is kept in memory.
    ``xattrs``: it takes ``user.*`` attributes (None: not known, since it may not be written).
    """

    purpose: str
    path: str
    kind: str
    remote: bool = False
    memory: bool = False
    noexec: bool = False
    read_only: bool = False
    free: int = 0
    xattrs: bool | None = None


class Survival(msgspec.Struct, frozen=True):
    """How long processes live that nobody waits for: until the batch job, the session, the container around us or
    the machine ends; ``why`` says how that is known.

    ``linger``: the user's systemd stays after logout; ``kills``: logind ends what a session leaves.
    """

    until: Literal["job", "logout", "container", "stop"] = "stop"
    why: str = ""
    linger: bool = False
    kills: bool = False


class Processor(msgspec.Struct, frozen=True):
    """``level`` is x86-64-v1 to v4, or the architecture elsewhere; ``usable``: the processors that we may run on."""

    model: str = ""
    level: str = ""
    count: int = 0
    usable: int = 0


class Gpu(msgspec.Struct, frozen=True):
    """``vendor`` is nvidia, amd or intel; ``driver`` its kernel driver's version; ``usable``: we may open it."""

    vendor: str
    name: str
    device: str
    driver: str = ""
    usable: bool = False


class Mpi(msgspec.Struct, frozen=True):
    """An MPI of the host that the search path leads to: ``kind`` is openmpi, mpich, intel, mvapich or unknown."""

    kind: str
    version: str
    path: str


class Batch(msgspec.Struct, frozen=True):
    """``system``: slurm, pbs, sge, htcondor, lsf or ``""``; ``job``: its id inside a job, else ``""``;
    ``submit``: the path of its command that submits jobs."""

    system: str = ""
    job: str = ""
    submit: str = ""


class Program(msgspec.Struct, frozen=True):
    """A program of the host that starts containers. ``setuid``: a part of it is root, and needs no user namespaces.
    ``problem`` says what went wrong when it was tried (OCI runtimes are)."""

    name: str
    path: str
    setuid: bool = False
    problem: str = ""


class Proot(msgspec.Struct, frozen=True):
    """``path`` is empty where none was found. ``works``: programs ran under it; ``seccomp``: with its acceleration too
    (else set ``PROOT_NO_SECCOMP=1``). ``untranslated`` names the system calls that it lets through with the path as it
    is, so that the host's file is meant: they must be answered with ENOSYS, upon which C libraries take older ones.
    ``loader`` is a copy of the program that it else writes for each start (``PROOT_LOADER``); empty where none worked.
    ``problem`` says what went wrong."""

    path: str = ""
    works: bool = False
    seccomp: bool = False
    untranslated: tuple[str, ...] = ()
    loader: str = ""
    problem: str = ""


class Machine(msgspec.Struct, frozen=True):
    """All that is known of this machine; ``host`` is what every start reads.

    ``interpose`` is the path of ``wherry-interpose``, the program of the engine ``fakechroot``; ``""`` where it or its
    library was not built; ``interpose_problem`` what went wrong when programs were run by it. ``squashfuse`` is the
    path of the program that shows what is in image files, ``squashfuse_ll`` where there is one. ``runtimes``
    are those of the OCI runtime specification, ``sites`` other container programs; both the preferred first, of the
    former those that worked.
    """

    host: Host
    namespaces: Namespaces = Namespaces()
    fuse: Fuse = Fuse()
    ids: Ids = Ids()
    cgroup: Cgroup = Cgroup()
    tracing: Tracing = Tracing()
    security: Security = Security()
    proot: Proot = Proot()
    interpose: str = ""
    interpose_problem: str = ""
    squashfuse: str = ""
    runtimes: tuple[Program, ...] = ()
    sites: tuple[Program, ...] = ()
    storage: tuple[Storage, ...] = ()
    survival: Survival = Survival()
    processor: Processor = Processor()
    gpus: tuple[Gpu, ...] = ()
    mpi: tuple[Mpi, ...] = ()
    batch: Batch = Batch()
    distribution: str = ""
    """The distribution's id (os-release(5)), which decides how its packages are called."""
