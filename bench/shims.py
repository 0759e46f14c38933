"""Peers' names on Wherry: what a start by a shim, and by an exposed command, takes more than `wherry run`."""

from __future__ import annotations

import subprocess

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program

MUST = "at most 1 ms more than `wherry run`"
TRUE = ["/bin/true"]


def measure(at: Workplace, rounds: int) -> str:
    env, links = wherry.environment(at), at.folder / "wherry" / "links"
    names = ("docker", "podman", "udocker", "apptainer", "ch-run")
    for words in (
        (program("wherry"), "shim", "install", "--dir", str(links), *names),
        (program("wherry"), "expose", "--dir", str(links), "--as", "exposed=/bin/true", "small"),
        (str(links / "udocker"), "create", "--name=bench", "small"),
    ):
        subprocess.run(words, check=True, env=env, capture_output=True)

    def shim(*words: str) -> Command:
        return Command([str(links / words[0]), *words[1:], *TRUE], env)

    image = at.reference("small")
    plain = interleave(
        [
            Case("wherry run", lambda n: wherry.start(at, "small", TRUE)),
            Case("docker run --rm", lambda n: shim("docker", "run", "--rm", "small")),
            Case("podman run --rm", lambda n: shim("podman", "run", "--rm", "small")),
            Case("udocker run, a container", lambda n: shim("udocker", "run", "bench")),
        ],
        rounds,
        warm=3,
    )
    shared = interleave(
        [
            Case("wherry run --installed", lambda n: wherry.start(at, "small", TRUE, "--installed")),
            Case("exposed command", lambda n: Command([str(links / "exposed")], env)),
            Case("apptainer exec", lambda n: shim("apptainer", "exec", f"docker://{image}")),
            Case("ch-run", lambda n: shim("ch-run", "small", "--")),
            Case("/bin/sh -c exec, no container", lambda n: Command(["/bin/sh", "-c", "exec /bin/true"], env)),
        ],
        rounds,
        warm=3,
    )
    return (
        f"The same command each time, a plan being saved; must reach: {MUST}.\n\n"
        + table(plain, "wherry run")
        + "\n\nThose that show the caller's files and variables; an exposed command is a shell script, too.\n\n"
        + table(shared, "wherry run --installed")
    )
