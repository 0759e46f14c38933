"""Warm start of /bin/true, a plan being saved: the same, another command each time, --here in other directories."""

from __future__ import annotations

from collections.abc import Callable

from measuring import Case, Command, interleave, table
from peers import bwrap, chrun, docker, udocker, wherry
from workplace import Workplace

MUST = "at most 1.0 x ch-run"
SLOW = 30  # rounds of those that take a hundred times longer


def measure(at: Workplace, rounds: int) -> str:
    parts = [_same(at, rounds), _other_commands(at, rounds), _other_directories(at, rounds)]
    return "\n\n".join(parts)


def _same(at: Workplace, rounds: int) -> str:
    true = ["/bin/true"]
    cases = interleave(
        [
            Case("wherry", lambda n: wherry.start(at, "small", true)),
            Case("wherry, runtime directory on tmpfs", lambda n: wherry.start_in_session(at, "small", true)),
            Case("wherry, scratch too", lambda n: wherry.start_in_memory(at, "small", true)),
            Case("wherry --read-only", lambda n: wherry.start(at, "small", true, "--read-only")),
            Case("ch-run", lambda n: chrun.start(at, "small", true)),
            Case("bwrap", lambda n: bwrap.start(at, "small", true)),
            Case("docker", lambda n: docker.start(at, "small", true), rounds=min(rounds, SLOW)),
            Case("udocker", lambda n: udocker.start(at, "small", true), rounds=min(rounds, SLOW)),
            Case("/bin/true, no container", lambda n: Command(true, at.environment)),
        ],
        rounds,
        warm=3,
    )
    return f"The same command each time; must reach: {MUST}.\n\n" + table(cases, "ch-run")


def _other_commands(at: Workplace, rounds: int) -> str:
    def true(n: int) -> list[str]:
        return ["/bin/true", str(n), "--verbose"]

    cases = interleave(
        [
            Case("wherry", lambda n: wherry.start(at, "small", true(n))),
            Case("wherry, runtime directory on tmpfs", lambda n: wherry.start_in_session(at, "small", true(n))),
            Case("wherry, scratch too", lambda n: wherry.start_in_memory(at, "small", true(n))),
            Case("wherry --read-only", lambda n: wherry.start(at, "small", true(n), "--read-only")),
            Case("ch-run", lambda n: chrun.start(at, "small", true(n))),
            Case("bwrap", lambda n: bwrap.start(at, "small", true(n))),
        ],
        rounds,
    )
    return f"Another command each time; must reach: {MUST}.\n\n" + table(cases, "ch-run")


def _other_directories(at: Workplace, rounds: int) -> str:
    def here(n: int) -> str:
        folder = at.folder / "here" / str(n)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def bound(start: Callable[..., Command], options: Callable[[str], tuple[str, ...]], n: int) -> Command:
        return start(at, "small", ["/bin/true"], *options(here(n)), cwd=here(n))

    cases = interleave(
        [
            Case("wherry", lambda n: wherry.start(at, "small", ["/bin/true"], "--here", cwd=here(n))),
            Case(
                "wherry, runtime directory on tmpfs",
                lambda n: bound(wherry.start_in_session, lambda _: ("--here",), n),
            ),
            Case("wherry, scratch too", lambda n: bound(wherry.start_in_memory, lambda _: ("--here",), n)),
            Case("wherry --read-only", lambda n: bound(wherry.start, lambda _: ("--here", "--read-only"), n)),
            Case("ch-run", lambda n: bound(chrun.start, chrun.here, n)),
            Case("bwrap", lambda n: bound(bwrap.start, bwrap.here, n)),
        ],
        rounds,
    )
    return (
        f"With `--here` in another directory each time; must reach: {MUST} "
        "(which cannot bind at a path that the image lacks, and binds at /mnt).\n\n" + table(cases, "ch-run")
    )
