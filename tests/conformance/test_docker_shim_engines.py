"""What only Docker's command line asks of a start holds under every engine, or is refused by one that can."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

import images
from engines import ENGINES, Declared
from runtimes import path_for
from wherry_command import Wherry

HERE = [engine for engine in ENGINES if engine.is_here() and engine.image == "tiny"]
"""Without those that cannot show root: Docker's images start as root."""


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wherry]:
    command = Wherry(tmp_path_factory.mktemp("docker-engines"))
    path = path_for(command.folder / "runtimes", command.environment["PATH"], "/usr/bin/crun")
    command = Wherry(command.folder, {"PATH": path})
    command.ok("tag", command.ok("load", "-q", "-i", str(images.image("tiny"))).strip(), "tiny")
    yield command
    # Plain trees have no write bits, and pytest cannot remove them so.
    subprocess.run(["chmod", "-R", "u+w", str(command.folder / "store" / "flat")], check=False)


@pytest.fixture(params=HERE, ids=lambda engine: engine.name)
def docker(request: pytest.FixtureRequest, stocked: Wherry) -> Wherry:
    engine: Declared = request.param
    return stocked.named("docker", WHERRY_RUN_ENGINE=engine.name)


def test_hosts_and_resolver(docker: Wherry) -> None:
    found = docker.ok("run", "--rm", "--add-host", "db:10.1.2.3", "tiny", "grep", "-w", "db", "/etc/hosts")
    assert found == "10.1.2.3\tdb\n"
    assert docker.ok("run", "--rm", "--dns", "9.9.9.9", "tiny", "grep", "nameserver", "/etc/resolv.conf") == (
        "nameserver 9.9.9.9\n"
    )


def test_dashes_user_and_variables(docker: Wherry) -> None:
    """What the host's batch system sets does not come in; the image's user is shown."""
    assert docker.ok("run", "--rm", "--entrypoint", "echo", "tiny", "--", "a") == "-- a\n"
    script = "id -u; echo [$SLURM_JOB_ID$LANG]; pwd"
    env = {"SLURM_JOB_ID": "7", "LANG": "de_DE.UTF-8"}
    assert docker.ok("run", "--rm", "tiny", "sh", "-c", script, env=env) == "0\n[]\n/\n"


def test_a_path_alone_is_a_place_to_write(docker: Wherry) -> None:
    assert (
        docker.ok("run", "--rm", "-v", "/data/new", "tiny", "sh", "-c", "echo x > /data/new/x; cat /data/new/x")
        == "x\n"
    )


def test_a_volume_has_what_was_written_before(docker: Wherry) -> None:
    docker.ok("run", "--rm", "-v", "kept:/kept", "tiny", "sh", "-c", "echo x > /kept/x")
    assert docker.ok("run", "--rm", "-v", "kept:/again", "tiny", "cat", "/again/x") == "x\n"


def test_a_size_of_shared_memory_holds_or_is_refused(docker: Wherry) -> None:
    engine = next(engine for engine in HERE if engine.name == docker.variables["WHERRY_RUN_ENGINE"])
    result = docker("run", "--rm", "--shm-size", "32m", "tiny", "sh", "-c", "df /dev/shm | tail -1 | awk '{print $2}'")
    if "tmpfs" in engine.features:
        assert result.stdout == "32768\n", str(result)
    else:
        assert result.status == 125
        assert "tmpfs" in result.stderr
        assert "namespace" in result.stderr
