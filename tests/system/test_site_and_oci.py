"""The site's own programs and OCI runtimes as they are: what reaches them, and what they make of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runtimes import path_for
from wherry_command import Wherry, installed

RECORDER = """#!/bin/sh
{ printf '%s\\n' "$0" "$@"; } > "$RECORD"
env > "$RECORD.env"
exit 4
"""


@pytest.mark.parametrize("name", ["apptainer", "singularity", "ch-run", "podman"])
def test_the_program_that_the_setting_names_gets_the_start(
    wherry: Wherry, tiny: str, tmp_path: Path, name: str
) -> None:
    program, record = tmp_path / name, tmp_path / "record"
    program.write_text(RECORDER)
    program.chmod(0o755)
    variables = {"WHERRY_ENGINE_SITE": str(program), "RECORD": str(record), "LD_DEBUG_OUTPUT": "mine"}
    wherry.ok("pull", tiny)
    words = ("run", "--engine", "site", "-e", "SECRET=of the container", "-v", "/usr:/data", tiny, "sh", "-c", "true")
    result = wherry(*words, env=variables)
    assert (result.status, result.stdout) == (125, "")
    assert f"'{program}' ended before the command did: its status was 4" in result.stderr
    argv = record.read_text().splitlines()
    assert argv[0] == str(program)
    assert argv[-2] == "/.wherry/wherry-inside"
    assert any(word.startswith("/usr:/data") for word in argv)
    environment = record.with_name("record.env").read_text()
    assert "LD_DEBUG_OUTPUT=mine" in environment
    assert "SECRET" not in environment


def test_a_setting_that_names_no_such_program_is_told(wherry: Wherry, tiny: str) -> None:
    wherry.ok("pull", tiny)
    result = wherry("run", "--engine", "site", tiny, "true", env={"WHERRY_ENGINE_SITE": "docker"})
    assert result.status == 125
    assert "setting 'engine.site' is 'docker'" in result.stderr


@pytest.fixture
def with_crun(tmp_path: Path, wherry: Wherry) -> dict[str, str]:
    return {"PATH": path_for(tmp_path / "runtimes", wherry.environment["PATH"], "/usr/bin/crun")}


@pytest.mark.skipif(shutil.which("crun") is None, reason="crun is not installed")
def test_an_exported_bundle_runs(wherry: Wherry, tiny: str, tmp_path: Path, with_crun: dict[str, str]) -> None:
    box = tmp_path / "box"
    wherry.ok("pull", tiny)
    script = "id -u; echo $MARK; cat /data/file; echo x > /etc/new && pwd; grep Seccomp: /proc/self/status; exit 6"
    (tmp_path / "file").write_text("bound\n")
    options = ("-e", "MARK=set", "-v", f"{tmp_path}:/data", "-w", "/usr")
    assert wherry.ok("export", "--bundle", str(box), *options, tiny, "sh", "-c", script) == f"{box}\n"
    environment = {**wherry.environment, **with_crun}
    command = ["crun", "--cgroup-manager=disabled", "--root", str(tmp_path / "state"), "run", "--bundle", str(box), "x"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 6, done.stderr
    assert done.stdout == f"{os.getuid()}\nset\nbound\n/usr\nSeccomp:\t2\n"
    assert (box / "rootfs" / "etc" / "new").read_text() == "x\n"
    assert wherry("run", tiny, "test", "-e", "/etc/new").status == 1  # the store's files are others


def test_a_folder_that_holds_something_is_left_alone(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "mine").write_text("")
    wherry.ok("pull", tiny)
    result = wherry("export", "--bundle", str(folder), tiny, "true")
    assert (result.status, os.listdir(folder)) == (125, ["mine"])
    assert "exists" in result.stderr
    assert "bundle" in wherry("export", tiny, "true").stderr
    planned = wherry.ok("export", "--bundle", str(tmp_path / "new"), "--dry-run", "--format", "json", tiny)
    assert json.loads(planned)["Target"] == str(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not installed")
def test_runc_starts_root_and_says_so_of_others(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "runc").symlink_to(str(shutil.which("runc")))
    (folder / "wherry").symlink_to(str(shutil.which("wherry") or "/nonexistent"))
    variables = {"PATH": f"{folder}:/bin.none"}
    wherry.ok("pull", tiny)
    done = wherry("run", "--engine", "oci", "-u", "root", tiny, "sh", "-c", "id -u; exit 3", env=variables)
    assert (done.status, done.stdout) == (3, "0\n"), str(done)
    refused = wherry("run", "--engine", "oci", tiny, "true", env=variables)
    assert refused.status == 125
    assert "runc starts no container as you" in refused.stderr


def test_a_runtime_is_tried_before_it_is_called_usable(
    wherry: Wherry, tiny: str, tmp_path: Path, with_crun: dict[str, str]
) -> None:
    def state(path: str) -> dict[str, object]:
        found = json.loads(wherry.ok("doctor", "--format", "json", env={"PATH": path}))
        return next(engine for engine in found["Engines"] if engine["Name"] == "oci")

    works = state(with_crun["PATH"])
    assert works["Usable"] and str(works["Program"]).endswith("/crun")
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("crun", "youki", "runc"):
        (broken / name).write_text("#!/bin/sh\necho no way here >&2\nexit 1\n")
        (broken / name).chmod(0o755)
    alone = f"{broken}:{installed().parent}:/usr/bin:/bin"
    failed = state(alone)
    assert not failed["Usable"] and "runtime-broken" in str(failed) and "no way here" in str(failed)
    wherry.ok("pull", tiny)
    refused = wherry("run", "--engine", "oci", tiny, "true", env={"PATH": alone})
    assert refused.status == 125 and "no way here" in refused.stderr and "[runtime-broken]" in refused.stderr
