"""How things are measured here: by wall clock from spawn to reaping, interleaved, and told as median and quartiles."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Before = Callable[[], object]


@dataclass(frozen=True)
class Command:
    """Something to start: ``argv[0]`` is a path, so that no search is measured."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str = "/"

    def seconds(self) -> float:
        """Start it with empty input and its output thrown away; wall seconds until it is reaped."""
        with open(os.devnull, "r+b") as nothing:
            begun = time.perf_counter()
            process = subprocess.Popen(
                self.argv, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, env=self.env, cwd=self.cwd
            )
            assert process.stderr is not None
            said = process.stderr.read()
            status = process.wait()
            taken = time.perf_counter() - begun
        if status:
            raise Failure(f"{' '.join(self.argv)}: {status}: {said.decode(errors='replace').strip()[-300:]}")
        return taken


class Failure(Exception):
    """What was to be measured did not work; it is reported in its row, and the others go on."""


@dataclass
class Case:
    """One row: ``make(n)`` gives the command of the nth round; ``before`` is done first and not measured."""

    name: str
    make: Callable[[int], Command]
    before: Before | None = None
    rounds: int | None = None
    seconds: list[float] = field(default_factory=list)
    failure: str = ""
    extra: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles; of fewer than four values, the extremes."""
        if len(self.seconds) < 4:
            return (min(self.seconds), max(self.seconds)) if self.seconds else (float("nan"), float("nan"))
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high


def interleave(cases: Sequence[Case], rounds: int, warm: int = 1) -> Sequence[Case]:
    """Run all cases in turn, ``rounds`` times after ``warm`` unmeasured ones, so that what disturbs hits all alike.

    Each round has an order of its own: some leave work behind that slows down who comes next.
    """
    for n in range(-warm, rounds):
        for case in random.Random(n).sample(cases, len(cases)):
            if case.failure or (case.rounds is not None and n >= case.rounds):
                continue
            try:
                if case.before:
                    case.before()
                taken = case.make(n).seconds()
            except (Failure, OSError, subprocess.CalledProcessError) as error:
                case.failure = str(error)
                continue
            if n >= 0:
                case.seconds.append(taken)
    return cases


def peak_pss(command: Command) -> int:
    """The peak of the memory of a command and all that it starts, in bytes: proportional set sizes, every 20 ms.

    All processes of its session count, also those whose parent is gone.
    """
    process = subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=command.env,
        cwd=command.cwd,
        start_new_session=True,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_pss(pid) for pid in _session(process.pid)))
        time.sleep(0.02)
    return peak


def _session(leader: int) -> list[int]:
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[3]) == leader:
                members.append(int(entry))
    return members


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def duration(seconds: float) -> str:
    """``4.12 ms`` or ``3.40 s``."""
    if seconds != seconds:
        return "-"
    return (
        f"{seconds * 1000:.2f} ms"
        if seconds < 0.1
        else f"{seconds * 1000:.0f} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )


def table(cases: Sequence[Case], reference: str, extra: str = "") -> str:
    """The cases as a Markdown table, each also as a multiple of ``reference``'s median."""
    base = next((case.median for case in cases if case.name == reference), float("nan"))
    lines = [
        f"| | median | quartiles | runs | x {reference} |{f' {extra} |' if extra else ''}",
        "|---|---:|---:|---:|---:|" + ("---:|" if extra else ""),
    ]
    for case in cases:
        if case.failure:
            cells = ["failed", case.failure.replace("|", "/").replace("\n", " ")[-200:], "", ""]
        else:
            low, high = case.spread
            cells = [
                duration(case.median),
                f"{duration(low)} - {duration(high)}",
                str(len(case.seconds)),
                f"{case.median / base:.2f}",
            ]
        lines.append(f"| {case.name} | " + " | ".join(cells) + " |" + (f" {case.extra} |" if extra else ""))
    return "\n".join(lines)
