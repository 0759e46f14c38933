"""Plans are reused by the front, without Python, until something changes that they were made from."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from wherry_command import Wherry

ANEW = "planning anew"
_SPARE = shutil.ignore_patterns("spare.*")  # of the launcher, and locked by the kernel


@pytest.fixture
def mine(seeded: Wherry, tmp_path: Path) -> Iterator[Wherry]:
    """The seeded store's images in a store that this test may change, with a plan for ``run tiny`` saved."""
    shutil.copytree(seeded.folder / "store", tmp_path / "w" / "store", symlinks=True, ignore=_SPARE)
    wherry = Wherry(tmp_path / "w")
    for path in (wherry.folder / "store").rglob("*"):
        if path.is_file() and "names" in path.parts:
            os.utime(path, (1_600_000_000, 1_600_000_000))
    assert wherry.ok("run", "tiny", "echo", "warm") == "warm\n"
    yield wherry


def why(wherry: Wherry, *words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Why the plan was not reused; empty when it was."""
    result = wherry(*(words or ("run", "tiny", "true")), cwd=cwd, env={"WHERRY_EXPLAIN": "plan", **(env or {})})
    assert result.status == 0, str(result)
    return next((line for line in result.stderr.splitlines() if ANEW in line), "")


def traced(wherry: Wherry, *words: str) -> str:
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=execve", "wherry", *words], env=wherry.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_second_start_executes_no_python(mine: Wherry) -> None:
    assert "python" not in traced(mine, "run", "tiny", "true")


def test_one_plan_serves_all_commands_and_directories(mine: Wherry, tmp_path: Path) -> None:
    assert why(mine, "run", "tiny", "sh", "-c", "exit 0") == ""
    assert why(mine, "run", "tiny", "ls", "/", cwd=tmp_path) == ""


def test_one_plan_with_here_serves_all_directories(mine: Wherry, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        result = mine("run", "--here", "tiny", "pwd", cwd=tmp_path / name, env={"WHERRY_EXPLAIN": "plan"})
        assert result.stdout == f"{tmp_path / name}\n"
        assert (ANEW in result.stderr) is False or name == "a"


@pytest.mark.parametrize("locale", [{"LANG": ""}, {"LANG": "C"}, {"LANG": "C", "LC_ALL": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_one_plan_serves_in_every_locale(mine: Wherry, locale: dict[str, str]) -> None:
    """In a C locale, as cron and batch jobs have it, Python sets LC_CTYPE for itself, which nobody else sees."""
    environment = {**locale, "WHERRY_EXPLAIN": "plan"}
    mine("run", "tiny", "true", env=environment)
    again = mine("run", "tiny", "env", env=environment)
    assert (again.status, again.stderr) == (0, "")
    assert "LC_CTYPE" not in again.stdout  # the image has no such locale


def test_other_options_have_a_plan_of_their_own(mine: Wherry) -> None:
    assert mine.ok("run", "-e", "A=1", "tiny", "sh", "-c", "echo $A") == "1\n"
    assert mine.ok("run", "-e", "A=2", "tiny", "sh", "-c", "echo $A") == "2\n"
    assert mine.ok("run", "tiny", "sh", "-c", "echo $A") == "\n"


def test_a_tag_that_moves_is_noticed(mine: Wherry, tmp_path: Path) -> None:
    layer = images.Layer().file("etc/os-release", b"ID=moved\n")
    images.write_layout(tmp_path / "moved", [layer.tar()], {"Cmd": ["true"]}, base=images.image("tiny"))
    digest = mine.ok("load", "-q", "-i", str(tmp_path / "moved")).split()[-1]
    mine.ok("tag", digest, "tiny")
    result = mine("run", "tiny", "cat", "/etc/os-release", env={"WHERRY_EXPLAIN": "plan"})
    assert result.stdout == "ID=moved\n"
    assert ANEW in result.stderr


def test_a_removed_image_is_noticed(mine: Wherry) -> None:
    for row in mine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        mine("rmi", "-f", row)
    result = mine("run", "--pull", "never", "tiny", "true")
    assert result.status == 125
    assert mine("run", "tiny", "true", env={"WHERRY_RUN_PULL": "never"}).status == 125


def test_a_wherry_toml_that_appears_is_noticed(mine: Wherry, tmp_path: Path) -> None:
    project = tmp_path / "project" / "deep"
    project.mkdir(parents=True)
    assert why(mine, cwd=project) == ""
    (project.parent / "wherry.toml").write_text('[run]\nenv = ["FROM=project"]\n')
    assert mine.ok("run", "tiny", "sh", "-c", "echo $FROM", cwd=project) == "project\n"
    (project.parent / "wherry.toml").unlink()
    assert mine.ok("run", "tiny", "sh", "-c", "echo $FROM", cwd=project) == "\n"


def test_a_wherry_toml_that_changes_is_noticed_however_quickly(mine: Wherry, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "wherry.toml").write_text(f'[run]\nenv = ["N={number}"]\n')  # the same size each time
        assert mine.ok("run", "tiny", "sh", "-c", "echo $N", cwd=tmp_path) == f"{number}\n"


def test_the_users_and_the_sites_settings_are_noticed(mine: Wherry, tmp_path: Path) -> None:
    (mine.folder / "config" / "wherry").mkdir()
    (mine.folder / "config" / "wherry" / "wherry.toml").write_text('[run]\nenv = ["FROM=user"]\n')
    assert mine.ok("run", "tiny", "sh", "-c", "echo $FROM") == "user\n"
    site = tmp_path / "site.toml"
    site.write_text('[run]\nenv = ["FROM=site"]\n')
    (mine.folder / "config" / "wherry" / "wherry.toml").unlink()
    assert mine.ok("run", "tiny", "sh", "-c", "echo $FROM", env={"WHERRY_SITE_SETTINGS": str(site)}) == "site\n"


@pytest.mark.parametrize(
    "variable",
    ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "WHERRY_RUN_NETWORK", "WHERRY_SCRATCH", "LANG", "LC_NUMERIC", "WHERRY_STORE"],
)
def test_each_variable_that_was_consulted_is_noticed(mine: Wherry, tmp_path: Path, variable: str) -> None:
    value = {"WHERRY_RUN_NETWORK": "none", "LANG": "de_DE.UTF-8", "LC_NUMERIC": "C"}.get(variable, str(tmp_path / "v"))
    (tmp_path / "v").mkdir(mode=0o700)
    if variable == "WHERRY_STORE":
        shutil.copytree(mine.folder / "store", value, symlinks=True, dirs_exist_ok=True, ignore=_SPARE)
    assert ANEW in why(mine, env={variable: value})


def test_variables_that_do_not_matter_are_not_inputs(mine: Wherry) -> None:
    assert why(mine, env={"EDITOR": "vi", "SLURM_JOB_ID": "18", "OMP_NUM_THREADS": "3", "TERM": "vt100"}) == ""


def test_a_file_of_the_images_name_that_appears_is_noticed(mine: Wherry, tmp_path: Path) -> None:
    images.write_layout(tmp_path / "image", [], {"Cmd": ["echo", "file"]}, base=images.image("tiny"))
    assert why(mine, cwd=tmp_path) == ""
    members = ["oci-layout", "index.json", "blobs"]
    subprocess.run(["tar", "-C", tmp_path / "image", "-cf", tmp_path / "tiny", *members], check=True)
    assert mine.ok("run", "tiny", cwd=tmp_path) == "file\n"
    (tmp_path / "tiny").unlink()
    assert mine.ok("run", "tiny", "echo", "name", cwd=tmp_path) == "name\n"


def test_a_scratch_parent_that_was_cleaned_away_is_made_again(mine: Wherry) -> None:
    """Sites clean temporary folders; a saved plan still names the one that was there when it was made."""
    scratch = mine.folder / "store" / "scratch"
    subprocess.run(["chmod", "-R", "u+rwx", scratch], check=True)
    shutil.rmtree(scratch)
    assert mine.ok("run", "tiny", "echo", "here") == "here\n"


def test_a_broken_plan_is_made_anew(mine: Wherry) -> None:
    for content in (b"", b"WHRY", b"x" * 4096):
        for plan in (mine.folder / "run" / "wherry" / "plans").iterdir():
            plan.write_bytes(content)
        assert mine.ok("run", "tiny", "echo", "fine") == "fine\n"


def test_a_plan_that_others_may_write_is_not_used(mine: Wherry) -> None:
    for plan in (mine.folder / "run" / "wherry" / "plans").iterdir():
        plan.chmod(0o666)
    assert ANEW in why(mine)


def test_a_lease_that_is_gone_is_taken_again(mine: Wherry) -> None:
    leases = [path for path in (mine.folder / "store" / "leases").rglob("*") if path.is_file()]
    assert leases
    for lease in leases:
        lease.unlink()
    assert mine.ok("run", "tiny", "echo", "fine") == "fine\n"
    assert any(path.is_file() for path in (mine.folder / "store" / "leases").rglob("*"))


def test_pull_always_asks_each_time(mine: Wherry, tiny: str) -> None:
    for _ in range(2):
        assert "python" in traced(mine, "run", "--pull", "always", tiny, "true")


def test_a_held_tag_needs_no_registry(mine: Wherry) -> None:
    held = mine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    name = next(row for row in held if row.startswith("127.0.0.1"))
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=connect", "wherry", "run", name, "true"],
        env=mine.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert "AF_INET" not in done.stderr


def test_automounts_are_triggered_before_the_namespaces_are_made(mine: Wherry, tmp_path: Path) -> None:
    """In a namespace of ours no automounter would do it; and of all ways to look at a directory without reading it,
    only O_DIRECTORY asks for it (open(2), O_PATH)."""
    for _ in range(2):  # planned, then from the saved plan
        done = subprocess.run(
            [
                *("strace", "-f", "-s", "999", "-e", "trace=open,openat,clone,clone3,unshare"),
                *("wherry", "run", "-v", f"{tmp_path}:/data", "tiny", "true"),
            ],
            env=mine.environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = done.stderr.splitlines()
        began = max(number for number, line in enumerate(lines) if "CLONE_NEWUSER" in line)
        touched = [line for line in lines[:began] if f'"{tmp_path}"' in line]
        assert any("O_DIRECTORY" in line for line in touched), done.stderr


def test_dry_run_does_nothing(wherry: Wherry, tiny: str) -> None:
    assert f"would pull {tiny}" in wherry.ok("run", "--dry-run", tiny, "true")
    assert wherry.ok("images", "-q") == ""
    assert wherry.ok("ps", "-aq") == ""


def test_dry_run_shows_the_plan_of_a_held_image(seeded: Wherry) -> None:
    shown = seeded.ok("run", "--dry-run", "--here", "tiny", "make", "all")
    assert "make all" in shown
    assert "current directory" in shown
    assert isinstance(seeded("run", "--dry-run", "--format", "json", "tiny", "true").json(), dict)
