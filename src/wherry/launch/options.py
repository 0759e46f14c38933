"""What the user asked of a start, before anything is known of image and host: Docker's names, and what science adds."""

from __future__ import annotations

import msgspec

__all__ = ["Bind", "ExecOptions", "RunOptions", "Scripts", "Ulimit"]


class Bind(msgspec.Struct, frozen=True):
    """A host path shown inside. ``source`` as spelled (made absolute, not resolved); ``target`` absolute."""

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True
    propagation: str = "private"  # or slave; towards the host (shared) is refused
    optional: bool = False


class Ulimit(msgspec.Struct, frozen=True):
    """``--ulimit name=soft[:hard]``; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Scripts(msgspec.Struct, frozen=True):
    """A start in the manner of Apptainer: what an image has in ``.singularity.d`` is read by its own shell first.

    ``verb`` is exec, run, shell, test or start. ``variables`` (NAME=value) are set over the caller's and the image's;
    then come the caller's variables that begin with one of ``prefixes``, without it. ``path`` stands in place of the
    image's PATH, ``before`` and ``after`` at its ends. ``app`` is one of the image's (SCIF), ``shell`` the program for
    the verb.
    """

    verb: str
    app: str = ""
    shell: str = ""
    variables: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    path: str = ""
    before: str = ""
    after: str = ""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``run``, ``create`` and ``shell``, parsed and checked in form, nothing looked up.

    ``command`` empty means the image's own. ``env`` holds ``NAME=value`` and ``NAME`` (taken from the caller at each
    start) in the order given, the lines of ``--env-file`` first. None means: not said.
    """

    image: str = ""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()  # the caller's variables that go in over the image's: NAME, PREFIX*, not after "!"
    image_wins: bool = False  # over `pass_env`, as do Wherry's own variables
    bare_env: bool = False  # no variables but `pass_env` and `env`: neither the image's nor Wherry's own
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()  # (target, mount options)
    workdir: str | None = None
    user: str | None = None
    group_add: tuple[str, ...] = ()
    hostname: str | None = None
    network: str | None = None
    here: bool | None = None
    home: bool | None = None
    hostauth: bool = False
    interactive: bool = False
    terminal: bool = False
    detach: bool = False
    remove: bool = False
    name: str | None = None
    cidfile: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    stop_signal: str | None = None
    preserve_fds: tuple[int, ...] = ()
    seccomp: str | None = None  # a file, or "unconfined"
    pull: str | None = None  # missing, always, never
    platform: str | None = None
    memory: int | None = None  # bytes; of this and the next three: None is what the settings say, 0 no limit
    memory_swap: int | None = None  # bytes of memory and swap together; -1: any
    cpus: float | None = None
    pids_limit: int | None = None  # processes and threads
    engine: str | None = None  # None: the setting run.engine
    userns: str | None = None  # one: no id but yours; range: your subordinate ids too; None: the setting run.userns
    fakeroot: bool = False  # --fakeroot: a supervisor answers as if all ids were yours; nobody said: as root
    pretend: bool = False  # changing owners and ids, and making devices, seems to work and does nothing
    copy: bool = False  # --writable-copy: a private copy of the image's files where there is no overlay
    lean_env: bool = False  # of the caller's environment only proxies, and with a terminal TERM
    keep_dashes: bool = False  # one `--` directly after the image belongs to the command
    cap_add: tuple[str, ...] = ()  # as capabilities(7) has them without CAP_, or ALL; over the own namespaces only
    cap_drop: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()  # lines for /etc/hosts beside the host's
    resolver: tuple[str, ...] = ()  # lines of /etc/resolv.conf in place of the host's
    places: tuple[str, ...] = ()  # directories that are made, as for the image's volumes
    place_files: tuple[str, ...] = ()  # the same of empty files, for what is bound over them
    stop_timeout: int | None = None  # seconds that `stop` waits; None: 10
    user_env: bool = False  # USER, LOGNAME and USERNAME say who that is inside
    from_home: bool = False  # where neither `workdir` nor the image says: starts in the home directory, not in /
    if_terminal: bool = False  # a terminal where all three standard streams are one
    banner: str = ""  # written to standard output before the command's own, with the name of its program behind it
    log: bool = True  # keep the output of a container that stays
    installed: bool = False  # the host's files, directory and variables, as for a program that is installed here
    named: tuple[str, ...] = ()  # the image's directories where what arguments name on the host is shown too
    scripts: Scripts | None = None
    first_binds: tuple[Bind, ...] = ()  # shown before the current directory and what the user binds, which cover them
    first_tmpfs: tuple[tuple[str, str], ...] = ()  # the same of directories in memory
    home_path: str | None = None  # where the user's home is inside, in place of a private one; nothing is made there
    home_or_root: bool = False  # start in the home directory, else in /, where the start directory is not inside
    in_place: bool = False  # an unpacked image's directory is itself the root, and changes stay in it
    upper: str | None = None  # a directory of the host: changes stay there, in its `upper`
    extra_layers: tuple[str, ...] = ()  # directories of the host that are laid over the image, the last on top
    shared_ipc: bool = False  # System V IPC and message queues are the host's
    umask: int | None = None  # None: the caller's
    failed_status: int | None = None  # the exit status of a start that fails; None: 125, 126 or 127
    as_built: bool = False  # a build's step: nothing of the caller's or the host's is shown in /etc but its resolver
    shell: bool = False  # `wherry shell`: the image's shell, interactive, with a terminal when there is one

    @property
    def limits(self) -> dict[str, int | float]:
        """What the container may use as a whole, as the execution record names it: bytes, processors, processes."""
        named = {"memory": self.memory, "cpus": self.cpus, "processes": self.pids_limit}
        return {name: value for name, value in named.items() if value}


class ExecOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``exec`` into a running container."""

    container: str
    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    workdir: str | None = None
    user: str | None = None
    interactive: bool = False
    terminal: bool = False
    detach: bool = False
