"""Docker: ``scripts/with-docker`` has started a daemon with a data folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from measuring import Command, Failure
from workplace import Workplace, program


def environment(at: Workplace) -> dict[str, str]:
    answer = os.environ.get("WHERRY_TEST_DOCKER", "")
    if not answer.startswith("unix://"):
        raise Failure(answer or "docker needs root for its daemon: run make bench as root")
    return {**at.environment, "DOCKER_HOST": answer}


def prepare(at: Workplace, name: str) -> None:
    subprocess.run(pull(at, name).argv, check=True, env=environment(at), stdout=subprocess.DEVNULL)


def start(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    run = [program("docker"), "run", "--rm", "--network", "host", *options, at.reference(name), *argv]
    return Command(run, environment(at), cwd)


def here(cwd: str) -> tuple[str, ...]:
    return ("-v", f"{cwd}:{cwd}", "-w", cwd)


def pull(at: Workplace, name: str) -> Command:
    """Pull, then sync: docker leaves what it unpacked in the page cache."""
    script = f"{program('docker')} pull -q {at.reference(name)} && sync"
    return Command(["/bin/sh", "-c", script], environment(at))


def forget(at: Workplace, *names: str) -> None:
    for name in names:
        subprocess.run(
            [program("docker"), "rmi", "-f", at.reference(name)], env=environment(at), capture_output=True, check=False
        )
