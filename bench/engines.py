"""Engines: the start by PRoot against bare PRoot, and a job of many imports by each engine."""

from __future__ import annotations

from collections.abc import Sequence

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program

IMPORTS = "import numpy, scipy.stats, pandas, astropy.table, sklearn.linear_model, matplotlib.pyplot"


def measure(at: Workplace, rounds: int) -> str:
    return f"{_start(at, rounds)}\n\n{_imports(at, max(1, min(rounds, 7)))}"


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
            Case("wherry, engine namespace", lambda n: wherry.start(at, "small", true)),
        ],
        rounds,
        warm=3,
    )
    return "Start of /bin/true; must reach: within 1.2 x bare PRoot.\n\n" + table(cases, "proot")


def _imports(at: Workplace, rounds: int) -> str:
    argv = ["/usr/bin/python3", "-c", IMPORTS]
    native = [program("unshare"), "--user", "--map-current-user", f"--root={at.rootfs('science')}", *argv]
    cases = interleave(
        [
            Case("native (chroot)", lambda n: Command(native, at.environment)),
            Case("wherry, engine namespace", lambda n: wherry.start(at, "science", argv)),
            Case("wherry, engine proot", lambda n: wherry.start(at, "science", argv, "--engine", "proot")),
            Case("proot", lambda n: _proot(at, "science", argv)),
        ],
        rounds,
        warm=1,
    )
    return "Imports inside (numpy, scipy, pandas, astropy, sklearn, matplotlib).\n\n" + table(cases, "native (chroot)")


def _proot(at: Workplace, name: str, argv: Sequence[str]) -> Command:
    """Bare PRoot with the kernel's views and no seccomp acceleration, which Debian's lacks."""
    shown = [word for path in ("/dev", "/proc", "/sys") for word in ("-b", path)]
    return Command([program("proot"), "-r", str(at.rootfs(name)), *shown, "-w", "/", *argv], at.environment)
