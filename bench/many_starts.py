"""A thousand starts, 2 and 64 at a time, each with another argument; told as starts a second."""

from __future__ import annotations

import shlex

from measuring import Case, Command, duration, interleave
from peers import bwrap, chrun, docker, udocker, wherry
from workplace import Workplace, program

STARTS = 1000
SLOW = 100  # starts of those that take a hundred times longer; the rate is what is compared


MEMORY = "wherry, scratch on tmpfs"
READ_ONLY = "wherry --read-only"
COUNTS = dict.fromkeys(("wherry", MEMORY, READ_ONLY, "ch-run", "bwrap"), STARTS) | {"docker": SLOW, "udocker": SLOW}
STARTERS = {
    "wherry": wherry.start,
    MEMORY: wherry.start_in_memory,
    READ_ONLY: lambda at, name, argv: wherry.start(at, name, argv, "--read-only"),
    "ch-run": chrun.start,
    "bwrap": bwrap.start,
    "docker": docker.start,
    "udocker": udocker.start,
}


def measure(at: Workplace, rounds: int) -> str:
    parts = [_at_once(at, together, max(1, min(rounds // 20, 3))) for together in (2, 64)]
    return "Reported; the highest rate of all is the aim.\n\n" + "\n\n".join(parts)


def _at_once(at: Workplace, together: int, rounds: int) -> str:
    def case(name: str) -> Case:
        return Case(name, lambda n: _many(STARTERS[name](at, "small", ["/bin/true"]), COUNTS[name], together))

    lines = [f"{together} at a time:\n", "| | starts a second | starts | median |", "|---|---:|---:|---:|"]
    for done in interleave([case(name) for name in STARTERS], rounds, warm=0):
        rate = f"{COUNTS[done.name] / done.median:.0f}" if done.seconds else f"failed: {done.failure[-200:]}"
        lines.append(f"| {done.name} | {rate} | {COUNTS[done.name]} | {duration(done.median)} |")
    return "\n".join(lines)


def _many(one: Command, count: int, together: int) -> Command:
    script = f"seq {count} | {program('xargs')} -P {together} -n 1 {shlex.join(one.argv)}"
    return Command(["/bin/sh", "-c", script], one.env, one.cwd)
