"""``wherry shim``: links by which Wherry is called under a peer's name, and what it never does to real programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from wherry.containers import PEERS
from wherry_command import Wherry, installed


@pytest.fixture
def at_home(wherry: Wherry) -> Wherry:
    """Wherry in a folder of PATH that its user may write, as pipx and uv put it: a link in ``~/.local/bin``."""
    folder = wherry.folder / "home/.local/bin"
    folder.mkdir(parents=True)
    (folder / "wherry").symlink_to(installed())
    return Wherry(wherry.folder, {"PATH": f"{folder}:/usr/bin:/bin"})


def test_a_shim_is_a_link_to_the_program_that_runs(wherry: Wherry, tmp_path: Path) -> None:
    made = wherry.ok("shim", "install", "--dir", str(tmp_path / "bin"), "docker", "ch-run")
    assert made.splitlines() == [f"{tmp_path}/bin/docker", f"{tmp_path}/bin/ch-run"]
    assert os.readlink(tmp_path / "bin/docker") == os.path.realpath(installed())


def test_without_a_folder_it_goes_where_wherry_is_found(at_home: Wherry) -> None:
    result = at_home("shim", "install", "udocker")
    assert result.stdout.strip() == f"{at_home.folder}/home/.local/bin/udocker"
    assert result.stderr == ""
    rows = [line.split()[:3] for line in at_home.ok("shim", "list").splitlines()]
    assert ["udocker", "in", "use"] in rows


def test_where_that_cannot_be_written_it_goes_to_the_users_own_programs(wherry: Wherry, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "wherry").symlink_to(installed())
    closed.chmod(0o555)
    result = wherry("shim", "install", "singularity", env={"PATH": f"{closed}:/usr/bin:/bin"})
    assert result.stdout.strip() == f"{wherry.folder}/home/.local/bin/singularity"
    assert "is not in PATH: export PATH=" in result.stderr


def test_a_real_program_is_never_replaced_unasked(wherry: Wherry, tmp_path: Path) -> None:
    real = tmp_path / "docker"
    real.write_text("#!/bin/sh\necho real\n")
    real.chmod(0o755)
    refused = wherry("shim", "install", "--dir", str(tmp_path), "podman", "docker")
    assert (refused.status, real.read_text()) == (125, "#!/bin/sh\necho real\n")
    assert f"'{real}' is another program" in refused.stderr and "--force" in refused.stderr
    assert not (tmp_path / "podman").exists()  # all or nothing
    wherry.ok("shim", "install", "--force", "--dir", str(tmp_path), "docker")
    assert real.is_symlink()


def test_it_says_when_another_program_comes_first(wherry: Wherry, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "docker").write_text("#!/bin/sh\n")
    (first / "docker").chmod(0o755)
    path = {"PATH": f"{first}:{tmp_path}/bin:/usr/bin:/bin"}
    result = wherry("shim", "install", "--dir", str(tmp_path / "bin"), "docker", env=path)
    assert f"'docker' is still {first}/docker" in result.stderr
    state = wherry.ok("shim", "list", "--dir", str(tmp_path / "bin"), "--format", "{{.Name}} {{.State}}", env=path)
    assert f"docker hidden by {first}/docker" in state.splitlines()
    assert "podman not installed" in state.splitlines()


def test_installing_again_changes_nothing_and_a_link_to_another_wherry_is_renewed(
    wherry: Wherry, tmp_path: Path
) -> None:
    wherry.ok("shim", "install", "--dir", str(tmp_path), "docker")
    before = os.lstat(tmp_path / "docker")
    assert wherry.ok("shim", "install", "--dry-run", "--dir", str(tmp_path), "docker") == "nothing would change\n"
    wherry.ok("shim", "install", "--dir", str(tmp_path), "docker")
    assert os.lstat(tmp_path / "docker").st_ino == before.st_ino
    (tmp_path / "docker").unlink()
    (tmp_path / "old").mkdir()
    (tmp_path / "docker").symlink_to(tmp_path / "old/wherry")  # an installation that is gone
    wherry.ok("shim", "install", "--dir", str(tmp_path), "docker")
    assert os.readlink(tmp_path / "docker") == os.path.realpath(installed())


def test_only_links_of_ours_are_removed(wherry: Wherry, tmp_path: Path) -> None:
    wherry.ok("shim", "install", "--dir", str(tmp_path), "docker")
    (tmp_path / "podman").write_text("real")
    assert "link" in wherry.ok("shim", "remove", "--dry-run", "--dir", str(tmp_path), "docker")
    assert wherry.ok("shim", "remove", "--dir", str(tmp_path), "docker").strip() == f"{tmp_path}/docker"
    assert not (tmp_path / "docker").is_symlink()
    refused = wherry("shim", "remove", "--dir", str(tmp_path), "podman")
    assert (refused.status, (tmp_path / "podman").read_text()) == (125, "real")
    assert "no shim 'docker'" in wherry("shim", "remove", "--dir", str(tmp_path), "docker").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("install", "git"), "does not speak for 'git'"),
        (("install",), "no program is named"),
        (("update", "docker"), "'wherry shim update' is not known"),
        (("list", "docker"), "takes no names"),
    ],
)
def test_what_cannot_be_is_refused(wherry: Wherry, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = wherry("shim", *words, "--dir", str(tmp_path))
    assert (result.status, list(tmp_path.glob("*-run"))) == (125, []) and said in result.stderr


def test_a_dry_run_makes_nothing(wherry: Wherry, tmp_path: Path) -> None:
    shown = wherry.ok("shim", "install", "--dry-run", "--dir", str(tmp_path / "bin"), "docker")
    assert f"{tmp_path}/bin/docker" in shown and not (tmp_path / "bin").exists()


def test_every_peer_can_be_called_by_its_link(wherry: Wherry, tmp_path: Path) -> None:
    wherry.ok("shim", "install", "--dir", str(tmp_path), *PEERS)
    for name in PEERS:
        done = subprocess.run([tmp_path / name, "nonsense"], env=wherry.environment, capture_output=True, text=True)
        assert "Traceback" not in done.stderr and "bug in wherry" not in done.stderr, name
        assert "'wherry --help'" not in done.stderr, f"{name} is not served by a shim"


def test_an_engine_of_the_site_is_never_a_shim(wherry: Wherry, tmp_path: Path) -> None:
    wherry.ok("shim", "install", "--dir", str(tmp_path), "ch-run", "apptainer", "podman", "singularity")
    host = wherry("host", "--format", "json", env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).json()
    assert "/usr/bin/ch-run" in {site["Path"] for site in host["Sites"]}
    assert not [site for site in host["Sites"] if site["Path"].startswith(str(tmp_path))]
