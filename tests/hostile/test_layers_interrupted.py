"""Pulls that are killed, come in crowds, or meet a full disk: the next one finds a store that needs no repair."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from pulling import pull_here, pull_there
from registry_server import RegistryServer, serve
from wherry.base.reference import Reference
from wherry.image import open_image, view
from wherry.store import open_at

_CROWD = 200
_KILLS = 50
_SEED = int(os.environ.get("WHERRY_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
"""Printed where the test fails; given in the variable it kills at the same moments."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with serve(tmp_path_factory.mktemp("registry"), access_log=True) as server:
        for name in ("small", "layered"):
            command = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
            target = f"docker://{server.address}/{name}:latest"
            subprocess.run([*command, f"oci:{images.image(name)}:latest", target], check=True, capture_output=True)
        yield server


def test_a_pull_killed_at_any_moment_is_repeated_without_repair(registry: RegistryServer, tmp_path: Path) -> None:
    """SIGKILL to the whole process group; the store then has the image as a whole or not at all."""
    reference = f"{registry.address}/small:latest"
    whole = pull_here(open_at(str(tmp_path / "whole")), reference)
    store = open_at(str(tmp_path / "store"))
    chance = random.Random(_SEED)
    sys.stdout.write(f"WHERRY_TEST_SEED={_SEED}\n")
    finished = 0
    for _ in range(_KILLS):
        process = pull_there(store.path, reference, prefix=("setsid",))
        time.sleep(chance.uniform(0.05, 1.2))
        os.killpg(process.pid, signal.SIGKILL) if _leads_group(process.pid) else process.kill()
        process.communicate()
        named = store.name(Reference.parse(reference))
        if named is None:
            continue
        finished += 1
        image = open_image(store, reference)
        assert image.digest == whole.digest
        assert view(image).read("/etc/passwd", 1 << 16) == view(whole).read("/etc/passwd", 1 << 16)
        store = open_at(str(tmp_path / f"store{finished}"))
    image = pull_here(store, reference)
    assert image.digest == whole.digest
    assert _names(image.layers[0].tree) == _names(whole.layers[0].tree)
    assert os.listdir(f"{store.path}/partial") == []
    assert os.listdir(f"{store.path}/tmp") == []


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _names(tree: str) -> list[str]:
    return sorted(f"{path}/{name}"[len(tree) :] for path, folders, files in os.walk(tree) for name in folders + files)


def test_two_hundred_pulls_at_once_fetch_once(registry: RegistryServer, tmp_path: Path) -> None:
    reference = f"{registry.address}/layered:latest"
    before = registry.log
    crowd = [pull_there(tmp_path / "store", reference) for _ in range(_CROWD)]
    results = {process.communicate(timeout=300)[0] for process in crowd}
    assert {process.returncode for process in crowd} == {0}
    assert len(results) == 1
    fetched = re.findall(r'"GET (/v2/layered/blobs/sha256:[0-9a-f]{64})', registry.log[len(before) :])
    assert len(fetched) == len(set(fetched)) > 0


def test_a_full_disk_is_told_and_leaves_nothing(registry: RegistryServer, tmp_path: Path) -> None:
    """On a tmpfs of 60 MB the pull is refused before it starts; on one that fills up meanwhile, it is undone."""
    reference = f"{registry.address}/small:latest"
    disk = tmp_path / "disk"
    disk.mkdir()
    for size, eaten in ((60, 0), (330, 100)):
        script = (
            f"mount -t tmpfs -o size={size}m none {disk}; ("
            f"sleep 0.6; head -c {eaten}m /dev/zero >{disk}/other 2>/dev/null) & "
            f'"$@"; code=$?; wait; rm -f {disk}/other; echo; '
            f'find {disk} -mindepth 2 -not -path "*/partial*" -type f | wc -l; exit $code'
        )
        prefix = ("unshare", "-Urm", "--propagation", "private", "sh", "-c", script, "sh")
        process = pull_there(disk / "store", reference, prefix=prefix)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 125, output
        assert output.startswith("StoreFull: "), output
        assert str(disk / "store") in output
        assert int(output.split()[-1]) <= 2, output  # the store's format, and nothing of the image
