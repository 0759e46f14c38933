"""Command lines of the programs that a site may have allowed to start containers, composed from values alone.

Each is given the root as a directory and what to show in it; variables, directory, filter and the command itself come
by files (:mod:`wherry.launch.engines.box`), so that their own ways with these do not matter.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wherry.base.errors import UsageError
from wherry.launch.engines.box import Mounted, Program, handed_words
from wherry.launch.plan import SHORT_ID

__all__ = ["PROGRAMS", "Line", "compose"]


class Line(msgspec.Struct, frozen=True):
    """What a program is told. ``binds`` are in their order; ``writable``: the root is the container's own copy.

    ``uid`` and ``gid`` are None for the caller's own; ``user`` is the caller's name.
    """

    root: str
    binds: tuple[Mounted, ...]
    writable: bool = False
    uid: int | None = None
    gid: int | None = None
    user: str = ""


def compose(name: str, path: str, line: Line) -> Program:
    """How ``path``, a program of the kind ``name``, starts such a container, and one more process in it.

    Raises :class:`UsageError` for a path that it cannot be told.
    """
    _check(name, line)
    return PROGRAMS[name](path, line)


def _ch_run(path: str, line: Line) -> Program:
    words = [path, "--no-passwd", "--unset-env=*"]
    words += ["--write"] if line.writable else []
    if line.uid is not None:
        words += [f"--uid={line.uid}", f"--gid={line.gid}"]
    for item in line.binds:
        words += ["--bind", f"{item.source}:{item.target}"]
    return _again((*words, line.root, "--"), (f"USER={line.user}",))


def _apptainer(path: str, line: Line) -> Program:
    words = [path, "--silent", "exec", "--containall", "--no-home", "--no-init", "--pwd", "/"]
    words += ["--writable"] if line.writable else []
    words += ["--fakeroot"] if line.uid == 0 else ["--no-privs"]
    for item in line.binds:
        words += ["--bind", f"{item.source}:{item.target}{':ro' if 'ro' in item.options else ''}"]
    return _again((*words, line.root))


def _podman(path: str, line: Line) -> Program:
    """In the user's own storage, with no image in it: a folder of its own would be too long for its ``--runroot``."""
    name = f"wherry-{SHORT_ID}"
    own = (path, "--cgroup-manager", "cgroupfs", "--events-backend", "none")
    words = [*own, "run", "--rm", "--interactive", "--name", name, "--network", "host", "--cgroups", "disabled"]
    words += ["--security-opt", "label=disable", "--security-opt", "seccomp=unconfined", "--log-driver", "none"]
    words += ["--ulimit", "host", "--no-hosts", "--workdir", "/", "--pull", "never"]
    words += [] if line.writable else ["--read-only", "--read-only-tmpfs=false"]
    words += ["--user", "0:0"] if line.uid == 0 else ["--userns", "keep-id", "--cap-drop", "all"]
    for item in line.binds:
        words += ["--volume", f"{item.source}:{item.target}:rbind{',ro' if 'ro' in item.options else ''}"]
    return Program((*words, "--rootfs", line.root, *handed_words()), (*own, "exec", "--interactive", name))


def _again(words: tuple[str, ...], variables: tuple[str, ...] = ()) -> Program:
    """A further process gets the same view by the same words."""
    return Program((*words, *handed_words()), words, variables)


PROGRAMS: dict[str, Callable[[str, Line], Program]] = {
    "apptainer": _apptainer,
    "singularity": _apptainer,
    "ch-run": _ch_run,
    "podman": _podman,
}


def _check(name: str, line: Line) -> None:
    marks = ":" if name in ("ch-run", "podman") else ":,"
    for item in line.binds:
        for text in (item.source, item.target):
            if any(mark in text for mark in marks):
                raise UsageError(
                    f"cannot bind '{text}'",
                    why=f"{name} takes no path with {' or '.join(repr(mark) for mark in marks)}",
                    hint="make a symbolic link to it whose path has none, or use --engine namespace",
                )
