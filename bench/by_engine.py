"""Engines: the start by each, PRoot's against bare PRoot; a job of many stat(2) and one of many imports by each."""

from __future__ import annotations

from collections.abc import Sequence

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program

IMPORTS = "import numpy, scipy.stats, pandas, astropy.table, sklearn.linear_model, matplotlib.pyplot"


STATS = """
import os
for n in range(100_000):
    os.stat("/etc/passwd")
"""
SLOW = 5  # rounds of a job that is traced


def measure(at: Workplace, rounds: int) -> str:
    few = max(1, min(rounds, 7))
    parts = [_start(at, rounds)]
    parts.append(
        "100,000 stat(2) of a file of the image; must reach: the engine fakechroot 5 x faster than PRoot, and within "
        f"1.5 x native.\n\n{_job(at, few, STATS)}"
    )
    parts.append(f"Imports inside (numpy, scipy, pandas, astropy, sklearn, matplotlib).\n\n{_job(at, few, IMPORTS)}")
    return "\n\n".join(parts)


def _start(at: Workplace, rounds: int) -> str:
    true = ["/bin/true"]
    cases = interleave(
        [
            Case("proot", lambda n: _proot(at, "small", true)),
            Case("wherry, engine proot", lambda n: wherry.start(at, "small", true, "--engine", "proot")),
            Case(
                "wherry, engine proot, scratch on tmpfs",
                lambda n: wherry.start_in_memory(at, "small", true, "--engine", "proot"),
            ),
            Case("wherry, engine fakechroot", lambda n: wherry.start(at, "small", true, "--engine", "fakechroot")),
            Case("wherry, engine namespace", lambda n: wherry.start(at, "small", true)),
        ],
        rounds,
        warm=3,
    )
    return "Start of /bin/true; must reach: within 1.2 x bare PRoot.\n\n" + table(cases, "proot")


def _job(at: Workplace, rounds: int, code: str) -> str:
    argv = ["/usr/bin/python3", "-c", code]
    native = [program("unshare"), "--user", "--map-current-user", f"--root={at.rootfs('science')}", *argv]
    cases = interleave(
        [
            Case("native (chroot)", lambda n: Command(native, at.environment)),
            Case("wherry, engine namespace", lambda n: wherry.start(at, "science", argv)),
            Case("wherry, engine fakechroot", lambda n: wherry.start(at, "science", argv, "--engine", "fakechroot")),
            Case(
                "wherry, engine proot",
                lambda n: wherry.start(at, "science", argv, "--engine", "proot"),
                rounds=min(rounds, SLOW),
            ),
            Case(
                "wherry, engine proot, --cpus 1",
                lambda n: wherry.start(at, "science", argv, "--engine", "proot", "--cpus", "1"),
                rounds=min(rounds, SLOW),
            ),
            Case("proot", lambda n: _proot(at, "science", argv), rounds=min(rounds, SLOW)),
        ],
        rounds,
        warm=1,
    )
    return table(cases, "native (chroot)")


def _proot(at: Workplace, name: str, argv: Sequence[str]) -> Command:
    """Bare PRoot with the kernel's views and no seccomp acceleration, which Debian's lacks."""
    shown = [word for path in ("/dev", "/proc", "/sys") for word in ("-b", path)]
    return Command([program("proot"), "-r", str(at.rootfs(name)), *shown, "-w", "/", *argv], at.environment)
