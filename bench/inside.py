"""Jobs inside: two that only call the system (on a file of the image, of the user), one that imports; against the same
tree without a container."""

from __future__ import annotations

from measuring import Case, Command, interleave, table
from peers import chrun, docker, udocker, wherry
from workplace import Workplace, program

CALLS = """
import os
for n in range(400_000):
    os.stat({path!r})
for n in range(40_000):
    os.close(os.open({path!r}, os.O_RDONLY))
"""
IMPORTS = "import numpy, scipy.stats, pandas, astropy.table, sklearn.linear_model, matplotlib.pyplot"

READ_ONLY = ("--read-only", "--tmpfs", "/tmp")  # Python wants a directory for temporary files


def measure(at: Workplace, rounds: int) -> str:
    few = max(1, min(rounds, 11))
    calls = "System calls (440,000 of stat, open, close) for"
    jobs = {
        f"{calls} a file of the image; must reach: within 2 % of native": _job(
            at, few, CALLS.format(path="/usr/bin/env")
        ),
        f"{calls} a file of the current directory, bound with `--here`": _job_here(at, few),
        "Imports (numpy, scipy, pandas, astropy, sklearn, matplotlib); must reach: within 5 % of native": _job(
            at, few, IMPORTS
        ),
    }
    return "\n\n".join(f"{title}.\n\n{rows}" for title, rows in jobs.items())


def _job_here(at: Workplace, rounds: int) -> str:
    here = at.folder / "here" / "calls"
    here.mkdir(parents=True, exist_ok=True)
    (here / "data").write_text("1\n")
    argv = ["/usr/bin/python3", "-c", CALLS.format(path="data")]
    cases = interleave(
        [
            Case("native", lambda n: Command(argv, at.environment, str(here))),
            Case("wherry", lambda n: wherry.start(at, "science", argv, "--here", cwd=str(here))),
            Case("ch-run", lambda n: chrun.start(at, "science", argv, *chrun.here(str(here)), cwd=str(here))),
        ],
        rounds,
    )
    return table(cases, "native")


def _job(at: Workplace, rounds: int, code: str) -> str:
    argv = ["/usr/bin/python3", "-c", code]
    native = [program("unshare"), "--user", "--map-current-user", f"--root={at.rootfs('science')}", *argv]
    cases = interleave(
        [
            Case("native (chroot)", lambda n: Command(native, at.environment)),
            Case("wherry", lambda n: wherry.start(at, "science", argv)),
            Case("wherry --read-only", lambda n: wherry.start(at, "science", argv, *READ_ONLY)),
            Case(
                "the same, without the filter",
                lambda n: wherry.start(at, "science", argv, *READ_ONLY, "--security-opt", "seccomp=unconfined"),
            ),
            Case("ch-run", lambda n: chrun.start(at, "science", argv)),
            Case("docker", lambda n: docker.start(at, "science", argv)),
            Case("udocker (PRoot)", lambda n: udocker.start(at, "science", argv), rounds=min(rounds, 2)),
        ],
        rounds,
    )
    return table(cases, "native (chroot)")
