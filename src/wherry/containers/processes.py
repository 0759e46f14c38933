"""The processes of a running container, as ps(1) of the host shows them."""

from __future__ import annotations

import os

from wherry.base.errors import HostLacks, UsageError
from wherry.containers.running import Running

__all__ = ["descendants", "processes_shown"]


def processes_shown(running: Running, words: tuple[str, ...] = ()) -> list[str]:
    """The lines of ``ps WORDS`` (default ``-ef``) about them, under its heading; raises :class:`UsageError`."""
    import subprocess

    try:
        done = subprocess.run(["ps", *(words or ("-ef",))], capture_output=True, text=True, errors="replace")
    except OSError:
        raise HostLacks("cannot look at processes", why="this machine has no 'ps'", hint="install procps") from None
    heading, *lines = done.stdout.splitlines() or [""]
    if done.returncode != 0 or "PID" not in heading.split():
        raise UsageError(f"'ps {' '.join(words)}' shows no PID", why=done.stderr.strip(), hint="as: -o pid,cmd")
    column, ours = heading.split().index("PID"), {str(pid) for pid in descendants(running.init_pid)}
    return [heading, *(line for line in lines if len(line.split()) > column and line.split()[column] in ours)]


def descendants(init: int) -> list[int]:
    """The descendants of the container's process 1, which is the launcher's own; none comes before its parent."""
    parents: dict[str, str] = {}
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    parents[pid] = file.read().rpartition(b")")[2].split()[1].decode()
            except OSError:
                continue
    found: dict[str, None] = {}
    for pid in parents:
        chain, at = [], pid
        while at in parents and at != str(init) and at not in found:
            chain.append(at)
            at = parents[at]
        if at == str(init) or at in found:
            found.update(dict.fromkeys(reversed(chain)))
    return [int(pid) for pid in found]
