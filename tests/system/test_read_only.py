"""``--read-only``: directories that are shown past the overlay are as safe, and as much in nobody's way, as with it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry


@pytest.fixture(scope="module")
def lab(lab: Wherry, tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """With ``many``, an image of one large directory."""
    recipe = tmp_path_factory.mktemp("many") / "Dockerfile"
    recipe.write_text("FROM tiny\nRUN mkdir -p /opt/many && cd /opt/many && touch $(seq 300)\n")
    lab.ok("build", "-q", "-t", "many", str(recipe.parent))
    return lab


@pytest.mark.parametrize("rights", [("--privileged",), ("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined")])
def test_who_may_mount_inside_cannot_write_into_the_store(lab: Wherry, rights: tuple[str, ...]) -> None:
    assert lab.ok("run", "--read-only", "many", "grep", "-c", " /opt ", "/proc/mounts") == "1\n"
    change = "mount -o remount,bind,rw,nosuid,nodev,relatime /opt; echo evil > /opt/many/7"
    lab.named("docker")("run", "--rm", "--read-only", *rights, "many", "sh", "-c", change)
    assert lab.ok("run", "many", "cat", "/opt/many/7") == ""


def test_another_user_gets_a_home(lab: Wherry) -> None:
    words = ("run", "--read-only", "--userns", "range", "-u", "4711", "many", "sh", "-c", "stat -c %u:%a ~; id -u")
    assert lab.ok(*words) == "4711:700\n4711\n"


def test_the_current_directory_is_shown_where_a_link_of_the_image_leads_into_such_a_directory(
    lab: Wherry, tmp_path: Path
) -> None:
    """The launcher alone knows the directory, and the plan may be an old one."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM many\nRUN mkdir -p {tmp_path.parent} && ln -s /opt/many/work {tmp_path}\n"
    )
    lab.ok("build", "-q", "-t", "led", str(tmp_path))
    (tmp_path / "below").mkdir()
    for place in (tmp_path, tmp_path / "below"):
        (place / "mine").write_text(place.name)
        look = ("run", "--read-only", "--here", "led", "sh", "-c", "pwd -P; cat mine")
        real = str(place).replace(str(tmp_path), "/opt/many/work")
        assert lab.ok(*look, cwd=place) == f"{real}\n{place.name}"


@pytest.fixture
def unpacked(tmp_path: Path, tiny_tree: str) -> Path:
    """A directory of the user's as image, with a large one two levels down."""
    place = tmp_path / "image"
    shutil.copytree(tiny_tree, place, symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)
    for folder in (place / "opt/many", place / "srv/some"):
        folder.mkdir(parents=True)
    for number in range(300):
        (place / f"opt/many/{number}").touch()
    return place


def test_an_unpacked_image_that_changed_is_seen_as_it_is_now(seeded: Wherry, unpacked: Path, tmp_path: Path) -> None:
    """No link in it leads to the host, and no mount point that went is missed."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/secret").touch()
    bound = ("-v", f"{tmp_path}:/opt/missing", "-v", f"{tmp_path}:/opt/many/in")
    (unpacked / "opt/many/in").mkdir()
    until(lambda: time.time() - (unpacked / "opt/many").stat().st_ctime > 2.1)  # a plan for younger ones is not saved
    words = ("run", "--read-only", *bound, f"{unpacked}/", "sh", "-c")
    look = f"grep -c ' /opt/many ' /proc/mounts; ls {tmp_path}/host; ls -d /opt/many/in/host"
    seen = [seeded(*words, look) for _ in range(2)]
    assert [done.stdout for done in seen] == ["1\n/opt/many/in/host\n"] * 2, str(seen[0])
    (unpacked / "opt/many/in").rmdir()
    assert seeded(*words, look).stdout.endswith("/opt/many/in/host\n")
    shutil.rmtree(unpacked / "opt/many")
    (unpacked / "opt/many").symlink_to(tmp_path / "host")
    assert "secret" not in seeded(*words, "ls /opt/many /opt/many/; true").stdout
