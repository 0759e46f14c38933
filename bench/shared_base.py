"""A second image that shares its base with one that is there: only the new layer may cost."""

from __future__ import annotations

import os
import subprocess

from measuring import Case, interleave, table
from peers import docker, wherry
from workplace import Workplace, program


def measure(at: Workplace, rounds: int) -> str:
    def without_second() -> None:
        env = wherry.environment(at, "pulled")
        subprocess.run([program("wherry"), "rmi", at.reference("second")], env=env, capture_output=True, check=False)
        subprocess.run([program("wherry"), "prune", "-f"], env=env, capture_output=True, check=False)
        os.sync()

    def docker_without_second() -> None:
        docker.forget(at, "second")
        os.sync()

    subprocess.run(wherry.pull(at, "science").argv, env=wherry.pull(at, "science").env, check=True, capture_output=True)
    cases = [
        Case("wherry pull", lambda n: wherry.pull(at, "second"), before=without_second),
        Case("docker pull, sync", lambda n: docker.pull(at, "second"), before=docker_without_second),
    ]
    try:
        docker.prepare(at, "science")
    except Exception as error:
        cases[1].failure = str(error)
    interleave(cases, max(1, min(rounds, 10)), warm=0)
    wherry.forget(at)
    return (
        "Its own layer has 100 files, 1 MB; synced before each run, caches kept. "
        "Must reach: only the cost of the new layer.\n\n" + table(cases, "wherry pull")
    )
