"""Reads of the outside world while a plan is made: each is done once, remembered, and kept as an input of the plan.

A saved plan is reused only while every input still reads the same (DESIGN.md, "How a start flows", 3); so whatever
planning consults (a file, a variable, who and where we are) must be asked of an :class:`Outside`, never of ``os``.
The launcher compares the inputs again in C (``native/launcher/front.c``).
"""

from __future__ import annotations

import errno
import os
import stat as stat_module

import msgspec

__all__ = ["Identity", "Input", "Outside", "Stamp", "account_home", "caller_environment", "confined_to"]

_ASIDE = "WHERRY_ASIDE_"
_SMALL = 64 * 1024
"""Files up to this many bytes are read whole in one go when their content is asked for."""


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What tells that a file changed: ``exists`` is False when there is none, then all else is 0."""

    exists: bool
    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    mode: int = 0

    @classmethod
    def of(cls, path: str, *, follow: bool = True) -> Stamp:
        """The stamp of what ``path`` leads to, or with ``follow`` False of a link itself; an unreadable path counts as
        absent."""
        try:
            found = os.stat(path, follow_symlinks=follow)
        except OSError:
            return cls(False)
        return cls(True, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)


class Identity(msgspec.Struct, frozen=True):
    """Who runs: numeric ids as the kernel has them, ``groups`` sorted (supplementary)."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class Input(msgspec.Struct, frozen=True):
    """One thing that planning consulted: its kind, its name and what it read.

    ========== ================== ===========================================================
    kind       name               value
    ========== ================== ===========================================================
    file       absolute path      :class:`Stamp`
    env        variable           text, or None when it was not set
    envs       prefix             the ``NAME=value`` lines of all variables with that prefix, sorted
    identity   ``""``             :class:`Identity`
    node       ``""``             the node's name (uname)
    boot       ``""``             the boot id
    cwd        ``""``             the current directory, absolute
    nearest    file name          the path found walking up from the current directory, or ``""``
    local      file name          True when the current directory holds a regular file of that name
    apart      ``""``             directories in none of which (nor below) the current directory lies
    entry      absolute path      :class:`Stamp` of a symbolic link itself
    content    absolute path      its bytes, whatever its stamp
    real       absolute path      where it leads, all symbolic links followed
    terminal   descriptor         True for a terminal
    machine    ``""``             uname's machine
    around     ``""``             :func:`confined_to`
    processors how many           True: so many may be used
    ========== ================== ===========================================================
    """

    kind: str
    name: str
    value: str | bytes | bool | tuple[str, ...] | Stamp | Identity | None


def caller_environment() -> dict[str, str]:
    """The environment as the caller gave it.

    In a C locale Python sets LC_CTYPE for itself (PEP 538). The launcher, which compares variables again, was started
    by the same caller without it, and no container should get it. What it set aside to keep this Python whole
    (``native/launcher/front.h``, FRONT_ASIDE) has its own name again, and what it told this Python goes.
    """
    environment = dict(os.environ)
    environment.pop("WHERRY_FACE", None)
    for name in [name for name in environment if name.startswith(_ASIDE)]:
        environment[name.removeprefix(_ASIDE)] = environment.pop(name)
    if _coerced(environment):
        del environment["LC_CTYPE"]
    return environment


def confined_to() -> str:
    """The user namespace that we are in and which filters are upon us: a batch step may have others than a login."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            lines = file.read(8191).splitlines()
        filters = "".join(f" {line.decode()}" for line in lines if line.startswith(b"Seccomp"))
        return f"{os.stat('/proc/self/ns/user').st_ino}{filters}"
    except OSError:
        return ""


def account_home() -> str:
    """This user's home directory by the account database; empty where there is none."""
    import pwd

    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""
    return home if home.startswith("/") else ""


def _coerced(environment: dict[str, str]) -> bool:
    """Whether LC_CTYPE is Python's own: only then is it missing in what the process was started with."""
    if environment.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8") or environment.get("LC_ALL"):
        return False
    try:
        with open("/proc/self/environ", "rb", buffering=0) as file:
            given = file.read(1 << 22)
    except OSError:
        return False
    return not any(line.startswith(b"LC_CTYPE=") for line in given.split(b"\0"))


class Outside:
    """The world as one plan saw it. Answers are remembered: asked twice, the world reads the same.

    ``environ`` is injectable for tests. Not safe for several threads: planning is one thought.
    """

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self._environ = caller_environment() if environ is None else environ
        self._inputs: dict[tuple[str, str], Input] = {}
        self._contents: dict[str, bytes | None] = {}

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All that was consulted so far, in the order of first use."""
        return tuple(self._inputs.values())

    def env(self, name: str) -> str | None:
        """The value of the environment variable ``name``; an empty one counts as unset, as in the XDG specification."""
        value = self._environ.get(name)
        self._remember("env", name, value)
        return value or None

    def home(self) -> str:
        """``$HOME``, else (cron, some batch systems) what the account says; empty for neither."""
        home = self.env("HOME") or ""
        return home if home.startswith("/") else account_home()

    def envs(self, prefix: str) -> dict[str, str]:
        """All variables whose names begin with ``prefix``."""
        found = {name: value for name, value in self._environ.items() if name.startswith(prefix)}
        self._remember("envs", prefix, tuple(sorted(f"{name}={value}" for name, value in found.items())))
        return found

    def stat(self, path: str) -> Stamp:
        """The stamp of an absolute path."""
        known = self._inputs.get(("file", path))
        if known is not None and isinstance(known.value, Stamp):
            return known.value
        stamp = Stamp.of(path)
        self._remember("file", path, stamp)
        return stamp

    def forget(self, path: str) -> None:
        """No longer count on what was seen of ``path``: the caller is about to change it, and will look again."""
        self._inputs.pop(("file", path), None)
        self._contents.pop(path, None)

    def read(self, path: str) -> bytes | None:
        """The content of a file, None when there is none; raises :class:`OSError` when it cannot be read."""
        if path not in self._contents:
            self._contents[path] = self._read(path)
        return self._contents[path]

    def _read(self, path: str) -> bytes | None:
        if not self.stat(path).exists:
            return None
        with open(path, "rb", buffering=0) as file:
            content = file.read(_SMALL)
            while chunk := file.read(1 << 20):
                content += chunk
        return content

    def entry(self, path: str, stamp: Stamp | None = None) -> Stamp:
        """The stamp of what is at ``path`` itself, no link followed; ``stamp`` is what the caller has seen there."""
        seen = Stamp.of(path, follow=False) if stamp is None else stamp
        self._remember("entry", path, seen)
        return seen

    def content(self, path: str) -> bytes:
        """What a small file holds: other times of the same content are no change. Raises :class:`OSError`."""
        with open(path, "rb", buffering=0) as file:
            content = file.read(_SMALL + 1)
        if len(content) > _SMALL:
            raise OSError(errno.EFBIG, "more than a plan compares", path)
        self._remember("content", path, content)
        return content

    def real(self, path: str) -> str:
        """Where ``path`` leads, all symbolic links followed."""
        found = os.path.realpath(path)
        self._remember("real", path, found)
        return found

    def terminal(self, descriptor: int) -> bool:
        """Whether it is a terminal."""
        is_terminal = os.isatty(descriptor)
        self._remember("terminal", str(descriptor), is_terminal)
        return is_terminal

    def around(self) -> str:
        """What this process is confined to."""
        text = confined_to()
        self._remember("around", "", text)
        return text

    def processors(self, wanted: int) -> int:
        """How many this process may use; a saved plan holds while they are not fewer than ``wanted``."""
        self._remember("processors", str(wanted), True)
        return len(os.sched_getaffinity(0))

    def machine(self) -> str:
        """What uname(2) calls this machine."""
        name = os.uname().machine
        self._remember("machine", "", name)
        return name

    def identity(self) -> Identity:
        """The ids of this process."""
        who = Identity(os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())))
        self._remember("identity", "", who)
        return who

    def node(self) -> str:
        """The node's name, as uname(2) gives it."""
        name = os.uname().nodename
        self._remember("node", "", name)
        return name

    def boot_id(self) -> str:
        """The kernel's boot id; empty where an outer container hides it."""
        try:
            with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
                text = file.read(64).decode().strip()
        except OSError:
            text = ""
        self._remember("boot", "", text)
        return text

    def cwd(self) -> str:
        """The current directory; asking ties the plan to it, so ask only where a relative path was used.

        Raises :class:`UsageError` when it was removed.
        """
        try:
            path = os.getcwd()
        except OSError:
            from wherry.base.errors import UsageError

            raise UsageError("the current directory is gone", hint="cd to one that exists") from None
        self._remember("cwd", "", path)
        return path

    def nearest(self, name: str) -> str | None:
        """The nearest file ``name``, from the current directory upward through directories that the user owns."""
        try:
            found = _nearest(name, os.getcwd(), os.geteuid())
        except FileNotFoundError:  # the current directory was removed
            found = ""
        self._remember("nearest", name, found)
        return found or None

    def local_file(self, name: str) -> bool:
        """Whether the current directory holds a regular file of that name (symbolic links followed)."""
        try:
            is_file = stat_module.S_ISREG(os.stat(name).st_mode)
        except (OSError, ValueError):
            is_file = False
        self._remember("local", name, is_file)
        return is_file

    def apart(self, directories: tuple[str, ...]) -> bool:
        """Whether the current directory is none of these, nor below one; ``/`` stands for itself alone.

        Only the answer True is kept as an input: with False there is nothing to plan.
        """
        try:
            here = os.getcwd()
        except OSError:
            return False
        apart = not any(
            here == directory or (directory != "/" and here.startswith(f"{directory}/")) for directory in directories
        )
        if apart:
            self._remember("apart", "", directories)
        return apart

    def _remember(
        self, kind: str, name: str, value: str | bytes | bool | tuple[str, ...] | Stamp | Identity | None
    ) -> None:
        self._inputs.setdefault((kind, name), Input(kind, name, value))


def _nearest(name: str, start: str, uid: int) -> str:
    directory = start
    while True:
        try:
            if os.stat(directory).st_uid != uid:
                return ""
        except OSError:
            return ""
        candidate = os.path.join(directory, name)
        if os.path.isfile(candidate):
            return candidate
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent
