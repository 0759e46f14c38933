"""The container's file system as the launcher makes it, by the kernel's new mount calls and by the old ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from launcher_plans import NAMESPACES, NEW_NET, Box, Operation, launcher

READ_ONLY, SINGLE, OPTIONAL, REPLACE_LINK = 1, 16, 32, 64


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


@pytest.fixture(params=["new", "classic"])
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """Both ways to mount: as this kernel can, and as kernels before 5.12 (overlay: 6.7) must."""
    return {"WHERRY_TEST_CLASSIC_MOUNTS": "1"} if request.param == "classic" else {}


def bind(source: Path | str, target: str, bits: int = 0) -> Operation:
    return Operation("BIND", (str(source), target, bits))


def test_a_directory_and_a_file_are_bound(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("inside")
    late = [bind(tmp_path / "d", "/mnt"), bind(tmp_path / "d" / "f", "/etc/one")]
    assert box.shell("cat /mnt/f /etc/one; echo new > /mnt/g", late=late, variables=variables) == "insideinside"
    assert (tmp_path / "d" / "g").read_text() == "new\n"


def test_missing_mount_points_are_made_without_changing_the_image(
    box: Box, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "f").write_text("x")
    late = [bind(tmp_path, "/deep/er/dir"), bind(tmp_path / "f", "/deep/er/file")]
    assert box.shell("cat /deep/er/file; ls -d /deep/er/dir", late=late, variables=variables) == "x/deep/er/dir\n"
    assert not (box.tree / "deep").exists()


def test_a_symlinked_source_is_resolved_on_the_host(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert box.shell("ls /mnt", late=[bind(tmp_path / "link", "/mnt")], variables=variables) == "f\n"


def test_links_of_the_image_lead_nowhere_outside_it(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_text("x")
    (box.tree / "trap").symlink_to(tmp_path / "victim")
    (box.tree / "dots").symlink_to("../../../../../../../.." + str(tmp_path / "victim"))
    late = [bind(tmp_path / "data", "/trap/sub"), bind(tmp_path / "data" / "f", "/dots/file")]
    assert box.shell("cat /trap/sub/f /dots/file", late=late, variables=variables) == "xx"
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_dangling_link_as_target_gets_what_it_names(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "resolv").write_text("nameserver")
    (box.tree / "etc/resolv.conf").symlink_to("../run/systemd/stub.conf")
    script = "cat /etc/resolv.conf /run/systemd/stub.conf; ls -l /etc/resolv.conf"
    shown = box.shell(script, late=[bind(tmp_path / "resolv", "/etc/resolv.conf")], variables=variables)
    assert shown.startswith("nameservernameserver") and "-> ../run" in shown


def test_a_link_as_target_is_covered_when_asked(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "zone").write_text("here")
    (box.tree / "etc/utc").write_text("utc")
    (box.tree / "etc/localtime").symlink_to("utc")
    late = [bind(tmp_path / "zone", "/etc/localtime", REPLACE_LINK)]
    assert box.shell("cat /etc/localtime /etc/utc", late=late, variables=variables) == "hereutc"
    assert (box.tree / "etc/localtime").is_symlink()


def test_a_read_only_bind_covers_what_is_mounted_below(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    """The source has a mount of its own: made here in an outer container, whose inner one binds it read-only."""
    inner = Box(tmp_path / "inner")
    data = tmp_path / "inner" / "data"
    (data / "below space").mkdir(parents=True)
    script = "touch /mnt/a; touch '/mnt/below space/b'; touch /tmp/c && echo c"
    plan = inner.plan(late=[bind(data, "/mnt", READ_ONLY)])
    late = [
        bind(tmp_path / "inner", str(tmp_path / "inner")),
        bind(os.path.dirname(launcher()), "/launcher"),
        Operation("MOUNT", ("tmpfs", "tmpfs", 0, "", f"{data}/below space")),
    ]
    command = ["env", *[f"{k}={v}" for k, v in variables.items()]]
    done = box.run(*command, "/launcher/wherry", "run", "--plan", plan, "--", "sh", "-c", script, late=late)
    assert done.stdout == "c\n", done.stderr
    assert done.stderr.count("Read-only file system") == 2


def test_a_bind_without_recursion_leaves_out_what_is_mounted_below(box: Box, variables: dict[str, str]) -> None:
    refused = box.run("ls", "/mnt", late=[bind("/dev", "/mnt", SINGLE)], variables=variables)
    assert refused.returncode == 125  # the kernel keeps hidden what a mount covers
    assert "cannot bind" in refused.stderr


def test_a_missing_source_is_an_error_unless_optional(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    done = box.run("true", late=[bind(tmp_path / "absent", "/mnt")], variables=variables)
    assert done.returncode == 125
    assert f"cannot bind '{tmp_path}/absent': it does not exist on this machine" in done.stderr
    box.shell("test ! -e /mnt", late=[bind(tmp_path / "absent", "/mnt", OPTIONAL)], variables=variables)
    assert box.left() == []


def test_a_file_onto_a_directory_is_explained(box: Box, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "f").write_text("")
    done = box.run("true", late=[bind(tmp_path / "f", "/etc")], variables=variables)
    assert done.returncode == 125
    assert "one of source and target is a directory, the other a file" in done.stderr


def test_a_read_only_root_refuses_writing_but_not_to_mounts(box: Box, variables: dict[str, str]) -> None:
    late = [
        Operation("MOUNT", ("tmpfs", "tmpfs", 6, "mode=1777", "/tmp")),
        Operation("READONLY", ("/",)),
    ]
    done = box.run("sh", "-c", "touch /tmp/x && echo ok; touch /x", late=late, variables=variables)
    assert done.stdout == "ok\n"
    assert "Read-only file system" in done.stderr


def test_proc_shows_only_the_containers_processes(box: Box, variables: dict[str, str]) -> None:
    assert box.shell("ls -d /proc/[0-9]* | wc -l", variables=variables).strip() in {"3", "4"}


def test_the_hosts_tree_is_gone(box: Box, variables: dict[str, str]) -> None:
    late = [bind("/sys", "/sys", READ_ONLY)]
    script = "cat /proc/self/mountinfo; ls /..; cat /proc/1/mounts | wc -l"
    shown = box.shell(script, late=late, variables=variables)
    assert " /home " not in shown and "/boot" not in shown and " /dev/shm " not in shown
    assert "home" in shown.splitlines()[-8:] or "etc" in shown


def test_masks_hide_files_and_directories_and_pass_over_what_is_absent(box: Box, variables: dict[str, str]) -> None:
    (box.tree / "etc/secret").write_text("s")
    (box.tree / "etc/secrets").mkdir()
    (box.tree / "etc/secrets/x").write_text("s")
    late = [Operation("MASK", (f"/etc/{name}",)) for name in ("secret", "secrets", "absent")]
    assert box.shell("cat /etc/secret; ls -A /etc/secrets; echo end", late=late, variables=variables) == "end\n"


def test_directories_and_links_are_made_and_existing_ones_left(box: Box) -> None:
    late = [
        Operation("DIRECTORY", ("/a/b", 0o1777)),
        Operation("DIRECTORY", ("/etc", 0o700)),
        Operation("SYMLINK", ("there", "/a/b/link")),
        Operation("SYMLINK", ("other", "/a/b/link")),
    ]
    shown = box.shell("ls -ld /a/b /etc; readlink /a/b/link", late=late)
    assert "drwxrwxrwt" in shown and "drwxr-xr-x" in shown and shown.endswith("there\n")


@pytest.mark.parametrize("count", [130, 200])
def test_many_layers_make_one_tree(box: Box, tmp_path: Path, variables: dict[str, str], count: int) -> None:
    """More than a page of options holds when each is named by its digest; the topmost wins."""
    layers = []
    for number in range(count):
        layer = tmp_path / "layers" / f"{number:064d}" / "tree"
        layer.mkdir(parents=True)
        (layer / f"f{number}").write_text("x")
        (layer / "top").write_text(str(number))
        layers.append(str(layer))
    shown = box.shell("ls / | grep -c '^f[0-9]'; cat /top", layers=[*layers, str(box.tree)], variables=variables)
    assert shown == f"{count}\n0"


def test_a_flattened_tree_is_bound_as_the_root(box: Box, variables: dict[str, str]) -> None:
    operations = box.operations()
    index = [operation.kind for operation in operations].index("OVERLAY")
    operations[index] = Operation("TREE", (str(box.tree), "\x01/root", READ_ONLY))
    argv = [launcher(), "run", "--plan", box.write(operations), "--", "sh", "-c", "touch /x || ls -d /etc"]
    done = subprocess.run(argv, env=box.environment(**variables), capture_output=True, text=True, check=False)
    assert done.stdout == "/etc\n"
    assert "Read-only file system" in done.stderr


def test_a_fuse_program_can_make_the_root(box: Box) -> None:
    operations = box.operations(namespaces=NAMESPACES)
    index = [operation.kind for operation in operations].index("OVERLAY")
    options = f"lowerdir={box.tree},upperdir=\x01/upper,workdir=\x01/work"
    operations[index] = Operation("FUSE", (("fuse-overlayfs", "-o", options, "\x01/root"), "\x01/root"))
    argv = [
        launcher(),
        "run",
        "--plan",
        box.write(operations),
        "--",
        "sh",
        "-c",
        "echo new > /etc/n; cat /etc/n; head -1 /proc/mounts",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("new\nfuse-overlayfs / "), done.stderr
    assert box.left() == []
    assert not (box.tree / "etc/n").exists()


def test_a_fuse_program_that_fails_or_lacks_is_named(box: Box) -> None:
    done = box.run("true", init=[Operation("FUSE", (("false",), "/mnt"))])
    assert done.returncode == 125 and "cannot mount the image with 'false': it ended with status 1" in done.stderr
    done = box.run("true", init=[Operation("FUSE", (("nosuchfuse",), "/mnt"))])
    assert done.returncode == 125 and "'nosuchfuse': the program is not installed" in done.stderr


def test_host_name_and_loopback_are_the_containers(box: Box) -> None:
    init = [Operation("HOSTNAME", ("\x04",)), Operation("LOOPBACK")]
    shown = box.shell("cat /proc/sys/kernel/hostname; cat /proc/net/dev", init=init, namespaces=NAMESPACES | NEW_NET)
    assert len(shown.splitlines()[0]) == 12
    assert "lo:" in shown and "eth0" not in shown


def test_an_overlay_that_cannot_be_is_explained(box: Box) -> None:
    done = box.run("true", layers=["/nonexistent/layer"])
    assert done.returncode == 125
    assert "cannot mount the image's layers" in done.stderr and "a folder that it needs is gone" in done.stderr


def test_a_missing_place_in_a_read_only_bind_is_told_with_that_bind(
    box: Box, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "a").mkdir()
    late = [bind(tmp_path / "a", "/mnt", READ_ONLY), bind(tmp_path / "a", "/mnt/below")]
    done = box.run("true", late=late, variables=variables)
    assert done.returncode == 125
    assert "'/mnt/below'" in done.stderr
    assert "it is missing in what is bound at '/mnt', which is read-only here" in done.stderr
