"""Jobs inside: one that only calls the system, one that imports; against the same tree without a container."""

from __future__ import annotations

from measuring import Case, Command, interleave, table
from peers import chrun, docker, udocker, wherry
from workplace import Workplace, program

CALLS = """
import os
for n in range(400_000):
    os.stat("/etc/passwd")
for n in range(40_000):
    os.close(os.open("/etc/passwd", os.O_RDONLY))
"""
IMPORTS = "import numpy, scipy.stats, pandas, astropy.table, sklearn.linear_model, matplotlib.pyplot"


def measure(at: Workplace, rounds: int) -> str:
    few = max(1, min(rounds, 11))
    jobs = {
        "System calls (440,000 of stat, open, close); must reach: within 2 % of native": CALLS,
        "Imports (numpy, scipy, pandas, astropy, sklearn, matplotlib); must reach: within 5 % of native": IMPORTS,
    }
    return "\n\n".join(f"{title}.\n\n{_job(at, few, code)}" for title, code in jobs.items())


def _job(at: Workplace, rounds: int, code: str) -> str:
    argv = ["/usr/bin/python3", "-c", code]
    native = [program("unshare"), "--user", "--map-current-user", f"--root={at.rootfs('science')}", *argv]
    cases = interleave(
        [
            Case("native (chroot)", lambda n: Command(native, at.environment)),
            Case("wherry", lambda n: wherry.start(at, "science", argv)),
            Case("ch-run", lambda n: chrun.start(at, "science", argv)),
            Case("docker", lambda n: docker.start(at, "science", argv)),
            Case("udocker (PRoot)", lambda n: udocker.start(at, "science", argv), rounds=min(rounds, 3)),
        ],
        rounds,
    )
    return table(cases, "native (chroot)")
