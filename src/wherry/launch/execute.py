"""Handing a plan to the launcher (``native/launcher``): by becoming it, or as a child."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, TYPE_CHECKING, NoReturn

import msgspec

from wherry.base.errors import LaunchError, reason
from wherry.base.outside import caller_environment
from wherry.launch.codec import encode
from wherry.launch.plan import LaunchPlan, Operation

if TYPE_CHECKING:
    import subprocess

__all__ = ["execute", "launcher_path", "start"]


def launcher_path() -> str:
    """The launcher that belongs to this package; ``WHERRY_LAUNCHER`` names another (for its developers)."""
    chosen = os.environ.get("WHERRY_LAUNCHER")
    if chosen:
        return chosen
    path = f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/_native/wherry"
    if not os.access(path, os.X_OK):
        raise LaunchError(
            f"the launcher '{path}' is missing",
            why="Wherry was not installed from a wheel or with 'pip install'",
            hint="run 'pip install .' in its source, or set WHERRY_LAUNCHER",
        )
    return path


def execute(plan: LaunchPlan | str, arguments: tuple[str, ...] = ()) -> NoReturn:
    """Become the launcher: nothing of Python remains. ``plan`` is a saved one's path, or a value."""
    program = launcher_path()
    path, _ = _as_path(plan)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    # Python ignores these from its start; what is ignored would stay so in the command (`yes | head` would not end).
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    words, executed = _words(plan, program)
    try:
        os.execve(executed, [*words, "run", "--plan", path, "--", *arguments], caller_environment())
    except OSError as error:
        raise LaunchError(f"cannot start '{program}'", why=reason(error)) from None


def start(
    plan: LaunchPlan | str,
    arguments: tuple[str, ...] = (),
    *,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    inherited: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """The launcher as a child; the caller waits for it. Its exit status is the command's, as a shell would show it.

    ``inherited`` are descriptors that the launcher has too; it passes none on.
    """
    import subprocess

    program = launcher_path()
    path, descriptor = _as_path(plan)
    words, executed = _words(plan, program)
    try:
        return subprocess.Popen(
            [*words, "run", "--plan", path, "--", *arguments],
            executable=executed,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=caller_environment() if env is None else env,
            pass_fds=inherited if descriptor < 0 else (*inherited, descriptor),
        )
    except OSError as error:
        raise LaunchError(f"cannot start '{program}'", why=reason(error)) from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _words(plan: LaunchPlan | str, program: str) -> tuple[list[str], str]:
    """The beginning of the command line, and the program to execute: the launcher, or what starts it elsewhere."""
    if isinstance(plan, str) or not plan.starter:
        return ["wherry"], program
    return [*plan.starter, program], plan.starter[0]


def _as_path(plan: LaunchPlan | str) -> tuple[str, int]:
    """A path that the launcher can open; a plan that is not saved lies in memory, behind an inherited descriptor."""
    if isinstance(plan, str):
        return plan, -1
    if not plan.inputs or plan.inputs[0].kind != "PREFIX":  # the format wants one; with --plan nobody compares it
        plan = msgspec.structs.replace(plan, inputs=(Operation("PREFIX", (("wherry",),)), *plan.inputs))
    try:
        descriptor = os.memfd_create("wherry-plan", 0)
        os.fchmod(descriptor, 0o600)
        data = encode(plan, os.geteuid())
        while data:
            data = data[os.write(descriptor, data) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        raise LaunchError("cannot hand the plan over", why=reason(error)) from None
    return f"/proc/self/fd/{descriptor}", descriptor
