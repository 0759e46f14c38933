"""Trials on machines that really lack something: filters, limits, devices and covers made by the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hard_hosts import around

LOOK = """
import msgspec, sys
from wherry.base.outside import Outside
from wherry.base.settings import load
from wherry.host import ENGINES, against, shortcomings, survey
outside = Outside()
machine = survey(outside, load(outside))
stops = {engine: [obstacle.id for obstacle in against(machine, engine)] for engine in ENGINES}
facts = {"machine": machine, "stops": stops, "short": [obstacle.id for obstacle in shortcomings(machine)]}
sys.stdout.buffer.write(msgspec.json.encode(facts))
"""


def look(tmp_path: Path, *lacks: str) -> Any:
    """The machine as a process of its own finds it, in a runtime folder of its own."""
    environ = {
        "XDG_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    }
    command = [*(around(*lacks) if lacks else ()), sys.executable, "-c", LOOK]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_machine_that_lacks_nothing(tmp_path: Path) -> None:
    found = look(tmp_path)
    machine = found["machine"]
    assert machine["host"]["userns"]
    assert machine["namespaces"]["network"]
    assert machine["fuse"] == {
        "device": True,
        "opens": True,
        "mounts": True,
        "fusermount": machine["fuse"]["fusermount"],
        "helps": True,
    }
    assert machine["ids"]["maps"], machine["ids"]
    assert machine["tracing"]["works"]
    assert machine["proot"]["works"], machine["proot"]
    assert machine["interpose_problem"] == ""
    assert found["stops"]["namespace"] == found["stops"]["proot"] == found["stops"]["fakechroot"] == []


@pytest.mark.parametrize(
    ("lack", "problem", "obstacle"),
    [
        ("no-namespaces", "unshare: EPERM", "userns-filter"),
        ("no-namespaces-left", "unshare: ENOSPC", "userns-used-up"),
        ("namespace-limit", "unshare: ENOSPC", "userns-limit"),
    ],
)
def test_without_namespaces_the_cause_is_named_and_proot_works(
    tmp_path: Path, lack: str, problem: str, obstacle: str
) -> None:
    found = look(tmp_path, lack)
    assert found["machine"]["host"]["problem"] == problem
    assert found["stops"]["namespace"] == [obstacle]
    assert found["stops"]["oci"][0] == obstacle
    assert found["stops"]["proot"] == found["stops"]["fakechroot"] == []


def test_without_ptrace_proot_is_out_and_the_rest_is_not(tmp_path: Path) -> None:
    found = look(tmp_path, "no-ptrace")
    assert found["machine"]["tracing"]["problem"] == "ptrace: EPERM"
    assert found["stops"]["proot"] == ["ptrace-refused"]
    assert found["stops"]["namespace"] == found["stops"]["fakechroot"] == []
    # a filter means no_new_privs: the helpers' set-id bits are in order, and worth nothing
    assert "newuidmap-outer" in found["short"]


def test_without_namespaces_and_ptrace_only_the_library_is_left(tmp_path: Path) -> None:
    found = look(tmp_path, "no-namespaces", "no-ptrace", "no-fuse")
    assert found["stops"]["namespace"] == ["userns-outer"]
    assert found["stops"]["proot"] == ["ptrace-refused"]
    assert found["stops"]["fakechroot"] == []


def test_a_missing_fuse_device_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, "no-fuse")
    assert not found["machine"]["fuse"]["device"]
    assert "fuse-device" in found["short"]
    assert found["stops"]["namespace"] == []


def test_a_covered_proc_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, "masked-proc")
    assert found["machine"]["host"]["userns"]
    assert not found["machine"]["host"]["mount_proc"]
    assert "proc-masked" in found["short"]


def test_a_batch_steps_filter_is_not_answered_from_the_logins_file(tmp_path: Path) -> None:
    """Both have one runtime folder; what was found without the filter does not hold under it, nor the other way."""
    assert look(tmp_path)["machine"]["host"]["userns"]
    assert not look(tmp_path, "no-namespaces")["machine"]["host"]["userns"]
    assert look(tmp_path)["machine"]["host"]["userns"]


def test_what_proot_lets_through_is_harmless_when_the_kernel_does_not_know_it(tmp_path: Path) -> None:
    """It looks at the host's file of that name; told ENOSYS, the C library asks again in a way that proot knows."""
    proot = look(tmp_path)["machine"]["proot"]
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/inside").touch()
    listing = (proot["path"], "-b", f"{tmp_path}/shown:/wherry-trial", "ls", "-l", "/wherry-trial")
    missed = [name for name in proot["untranslated"] if name == "statx"]
    if missed:
        assert subprocess.run(listing, capture_output=True).returncode != 0
        listing = (*around(f"unknown:{','.join(proot['untranslated'])}"), *listing)
    done = subprocess.run(listing, capture_output=True, text=True)
    assert (done.returncode, "inside" in done.stdout) == (0, True), done.stderr
