"""Images and containers that mean harm: what they can reach, and what they can make the user do."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from wherry_command import Wherry


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    wherry = Wherry(tmp_path_factory.mktemp("hostile"))
    digest = wherry.ok("load", "-q", "-i", str(images.image("tiny"))).split()[-1]
    wherry.ok("tag", digest, "tiny")
    return wherry


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file of the host that must stay as it is."""
    file = tmp_path / "canary"
    file.write_text("untouched")
    yield file
    assert file.read_text() == "untouched"


def built(folder: Path, layer: images.Layer, **config: object) -> str:
    images.write_layout(folder / "image", [layer.tar()], config, base=images.image("tiny"))
    return f"{folder / 'image'}/"


def test_links_in_an_image_do_not_lead_binds_out(command: Wherry, tmp_path: Path, canary: Path) -> None:
    image = built(tmp_path, images.Layer().symlink("out", f"{tmp_path}"))
    source = tmp_path / "source"
    source.write_text("bound")
    assert command.ok("run", "-v", f"{source}:/out/canary", image, "cat", f"{canary}") == "bound"


def test_links_to_what_the_launcher_holds_do_not_lead_mount_points_out(command: Wherry, tmp_path: Path) -> None:
    layer, source, outside = images.Layer(), tmp_path / "source", tmp_path / "outside"
    source.mkdir()
    outside.mkdir()
    binds: list[str] = []
    for number in range(3, 20):
        layer.symlink(f"self{number}", f"/proc/self/fd/{number}{outside}/{number}")
        layer.symlink(f"one{number}", f"/proc/1/fd/{number}{outside}/{number}")
        binds += ["-v", f"{source}:/self{number}/below", "-v", f"{source}:/one{number}/below"]
    command.ok("run", *binds, built(tmp_path, layer), "true")
    assert list(outside.iterdir()) == []


def test_links_in_place_of_system_files_do_not_lead_out(command: Wherry, tmp_path: Path, canary: Path) -> None:
    layer = images.Layer().symlink("etc/passwd", str(canary)).symlink("etc/group", "../../../../etc/group")
    layer.symlink("etc/resolv.conf", str(canary)).symlink("etc/hosts", "hosts")
    image = built(tmp_path, layer)
    assert command.ok("run", image, "id", "-u") == f"{os.getuid()}\n"


@pytest.mark.parametrize("folder", ["proc", "sys", "dev", "tmp", "home", "etc"])
def test_links_in_place_of_system_directories_do_not_lead_out(
    command: Wherry, tmp_path: Path, canary: Path, folder: str
) -> None:
    layer = images.Layer()
    if folder == "etc":
        layer.opaque("etc")
    image = built(tmp_path, layer.symlink(folder, str(tmp_path)) if folder != "etc" else layer)
    result = command("run", image, "sh", "-c", f"echo x > {canary}; echo ran")
    assert result.status in (0, 125)
    assert "bug in wherry" not in result.stderr


def test_files_where_directories_are_expected_are_told(command: Wherry, tmp_path: Path) -> None:
    layer = images.Layer().file("proc", b"x").file("dev", b"x")
    result = command("run", built(tmp_path, layer), "true")
    assert result.status in (0, 125)
    assert "Traceback" not in result.stderr


def test_a_container_cannot_see_or_signal_the_hosts_processes(command: Wherry) -> None:
    outside = subprocess.Popen(["sleep", "60"])
    try:
        found = command.ok("run", "tiny", "sh", "-c", f"ls /proc | grep -c '^[0-9]'; kill -9 {outside.pid} || echo no")
        assert "no" in found
        assert int(found.split()[0]) < 10
        assert outside.poll() is None
    finally:
        outside.kill()
        outside.wait()


def test_a_container_cannot_mount_or_make_namespaces_that_matter(command: Wherry, canary: Path) -> None:
    for words in (["mount", "-t", "tmpfs", "x", "/mnt"], ["umount", "/etc/passwd"], ["chroot", "/", "true"]):
        assert command("run", "tiny", *words).status != 0


def test_root_inside_owns_nothing_outside(command: Wherry, tmp_path: Path, canary: Path) -> None:
    canary.chmod(0o400)
    script = "cat /host/etc/shadow || echo refused; chown 1:1 /host/etc 2>/dev/null || echo refused; mknod /n c 1 1"
    found = command("run", "-u", "root", "-v", "/etc:/host/etc:ro", "tiny", "sh", "-c", script)
    assert found.stdout.count("refused") == 2
    canary.chmod(0o600)


def test_a_swapping_directory_gains_nothing_from_cp(command: Wherry, tmp_path: Path, canary: Path) -> None:
    script = (
        "mkdir -p /d/a /d/b; echo x > /d/a/canary; echo x > /d/b/canary; echo up; "
        f"while :; do mv /d/a /d/c; ln -s {tmp_path} /d/a; rm /d/a; mv /d/c /d/a; done"
    )
    command.ok("run", "-d", "--name", "swap", "tiny", "sh", "-c", script)
    try:
        target = tmp_path / "out"
        target.mkdir()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            command("cp", "swap:/d/.", str(target))
        assert command("cp", str(target), "swap:/d/a").status in (0, 125)
    finally:
        command.ok("rm", "-f", "swap")


def test_a_target_that_became_a_link_is_not_followed_by_cp(command: Wherry, tmp_path: Path, canary: Path) -> None:
    command.ok("run", "--name", "linked", "tiny", "sh", "-c", "mkdir -p /d/sub; echo evil > /d/sub/canary")
    try:
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "sub").symlink_to(tmp_path)
        result = command("cp", "linked:/d", str(tmp_path))
        assert result.status == 125
    finally:
        command.ok("rm", "-f", "linked")


def test_an_entry_point_of_nonsense_is_an_error_of_the_image(command: Wherry, tmp_path: Path) -> None:
    for config in (
        {"Entrypoint": [""]},
        {"Entrypoint": ["/"]},
        {"Cmd": ["\t"]},
        {"WorkingDir": "relative", "Cmd": ["pwd"]},
    ):
        result = command("run", built(tmp_path / str(len(str(config))), images.Layer(), **config))
        assert result.status in (0, 125, 126, 127), str(result)
        assert "bug in wherry" not in result.stderr


def test_environment_of_nonsense_is_passed_over(command: Wherry, tmp_path: Path) -> None:
    image = built(tmp_path, images.Layer(), Env=["=x", "NOVALUE", "A=1", "A=2", "PATH=/bin", "LONG=" + "x" * 100_000])
    found = command.ok("run", image, "sh", "-c", "echo $A ${#LONG}")
    assert found == "2 100000\n"


def test_a_container_that_forks_without_end_ends_when_told(command: Wherry) -> None:
    script = "f() { while :; do sleep 0.2 & done; }; ulimit -u 200 2>/dev/null; f"
    command.ok("run", "-d", "--name", "bomb", "tiny", "sh", "-c", f"({script}) & sleep 1; echo up; wait")
    command.ok("stop", "-t", "1", "bomb")
    assert command.ok("ps", "-q") == ""
    command.ok("rm", "-f", "bomb")
