"""A look at the machine: ``doctor`` with what was tried before, and with everything to be tried."""

from __future__ import annotations

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program


def measure(at: Workplace, rounds: int) -> str:
    def doctor(n: int) -> Command:
        return Command([program("wherry"), "doctor"], wherry.environment(at))

    cases = interleave(
        [
            Case("wherry doctor", doctor),
            Case("wherry doctor, first since boot", doctor, before=lambda: wherry.forget_all(at)),
            Case("python3 -c pass", lambda n: Command([program("python3"), "-c", "pass"], at.environment)),
        ],
        min(rounds, 20),
        warm=2,
    )
    return "must reach: at most 300 ms with what was tried before.\n\n" + table(cases, "python3 -c pass")
