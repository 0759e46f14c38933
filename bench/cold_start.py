"""Cold start: no plan is saved, Python plans; and the first of a boot, when nothing is known about the host either."""

from __future__ import annotations

from measuring import Case, Command, interleave, table
from peers import bwrap, chrun, docker, udocker, wherry
from workplace import Workplace, program


def measure(at: Workplace, rounds: int) -> str:
    true, few = ["/bin/true"], min(rounds, 30)
    cases = interleave(
        [
            Case("wherry, cold", lambda n: wherry.start(at, "small", true), before=lambda: wherry.forget_plans(at)),
            Case(
                "wherry, first since boot",
                lambda n: wherry.start(at, "small", true),
                before=lambda: wherry.forget_all(at),
            ),
            Case("python3 -c pass", lambda n: Command([program("python3"), "-c", "pass"], at.environment)),
            Case("docker", lambda n: docker.start(at, "small", true)),
            Case("udocker", lambda n: udocker.start(at, "small", true)),
            Case("ch-run", lambda n: chrun.start(at, "small", true)),
            Case("bwrap", lambda n: bwrap.start(at, "small", true)),
        ],
        few,
        warm=2,
    )
    must = "must reach: at most 6 x `python3 -c pass`, and 3 x faster than docker.\n\n"
    return must + table(cases, "python3 -c pass")
