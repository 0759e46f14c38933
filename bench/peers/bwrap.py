"""bubblewrap on a plain directory, with the namespaces that Wherry makes."""

from __future__ import annotations

from collections.abc import Sequence

from measuring import Command
from workplace import Workplace, program


def start(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    isolate = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup",
        "--die-with-parent",
    ]
    mounts = ["--bind", str(at.rootfs(name)), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    return Command([program("bwrap"), *isolate, *mounts, *options, "--", *argv], at.environment, cwd)


def here(cwd: str) -> tuple[str, ...]:
    return ("--bind", cwd, cwd, "--chdir", cwd)
