"""The names layer in a real container: names are there, can be replaced, and change nothing anywhere else."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from layers import directory, file, symlink, tar_of, write_layout
from wherry_command import Wherry


def test_names_can_be_replaced_like_the_images_own_files(seeded: Wherry) -> None:
    """useradd and apt write a new file and rename it over the old one, which a bind mount would refuse."""
    script = "for f in passwd group hosts; do cp /etc/$f /etc/new && echo x >> /etc/new && mv /etc/new /etc/$f; done"
    assert seeded.ok("run", "tiny", "sh", "-ec", f"{script}; tail -n 1 /etc/hosts") == "x\n"
    assert "x" not in seeded.ok("run", "tiny", "cat", "/etc/hosts").splitlines()


def test_the_hosts_names_are_seen(seeded: Wherry) -> None:
    """As they are now."""
    assert seeded.ok("run", "tiny", "cat", "/etc/hosts") == Path("/etc/hosts").read_text()
    assert seeded.ok("run", "tiny", "cat", "/etc/resolv.conf") == Path("/etc/resolv.conf").read_text()


def test_the_whole_root_is_one_file_system(seeded: Wherry) -> None:
    """du -x, find -xdev and hard links work across what the image and the names layer hold."""
    found = seeded.ok("run", "tiny", "stat", "-c", "%d", "/", "/etc", "/etc/hosts", "/bin/busybox", "/home")
    assert len(set(found.split())) == 1


def test_a_directory_that_all_may_write_is_shown_so_though_the_store_keeps_them_out(
    seeded: Wherry, tmp_path: Path
) -> None:
    """/tmp is 1777 inside; below the store nothing but links has a write bit for others."""
    opened = [directory("var/lib/drop", mode=0o1733), directory("tmp", mode=0o1777), directory("opt", mode=0o711)]
    busybox = file("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755)
    links = [symlink(f"bin/{name}", "busybox") for name in ("sh", "stat")]
    upper = [file("tmp/of-the-image"), file("var/lib/drop/x", b"x", mode=0o666)]
    tars = [tar_of([*opened, directory("opt/all", mode=0o777), busybox, *links]), tar_of(upper)]
    layout = write_layout(tmp_path / "opened", tars, config={"Env": ["PATH=/bin"]})
    shown = seeded.ok("run", str(layout), "stat", "-c", "%a", "/tmp", "/var/lib/drop", "/opt", "/opt/all")
    assert shown.split() == ["1777", "1733", "711", "777"]
    store = seeded.folder / "store"
    for part in ("layers", "blobs", "names", "images"):
        loose = [path for path in (store / part).rglob("*") if path.lstat().st_mode & 0o022 and not path.is_symlink()]
        assert loose == []
    assert {
        path.name: path.stat().st_mode & 0o077 for path in store.iterdir() if path.name in ("shown", "scratch")
    } == {
        "shown": 0,
        "scratch": 0,
    }


def test_the_private_home_is_for_the_user_alone(seeded: Wherry) -> None:
    """0700, empty at each start."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    script = "stat -c '%a %u' ~; ls -A ~; touch ~/x"
    for _ in range(2):
        assert seeded.ok("run", "tiny", "sh", "-c", script) == f"700 {os.geteuid()}\n"
    assert seeded.ok("run", "tiny", "sh", "-c", "echo ~") == f"/home/{name}\n"


def test_a_link_left_in_a_kept_container_leads_nothing_out(seeded: Wherry, tmp_path: Path) -> None:
    """Its next start makes nothing on the host where the link points."""
    script = f"rm -rf /home && ln -s {tmp_path} /home"
    seeded.ok("run", "--name", "linked", "tiny", "sh", "-c", script)
    seeded("start", "-a", "linked")
    assert os.listdir(tmp_path) == []
    seeded.ok("rm", "-f", "linked")


def test_names_appear_in_no_list_of_changes(seeded: Wherry) -> None:
    """diff shows what the container's programs changed, and nothing that Wherry shows them."""
    seeded.ok("run", "--name", "changed", "tiny", "touch", "/new")
    assert seeded.ok("diff", "changed").split() == ["A", "/new"]
    seeded.ok("rm", "changed")


def _forget_use(seeded: Wherry) -> list[str]:
    """Let the names layers look as if no plan had been made with them for long, and none were saved."""
    shown = seeded.folder / "store" / "shown"
    for path in shown.iterdir():
        os.utime(path, (1, 1))
    for path in (seeded.folder / "run" / "wherry" / "plans").iterdir():
        path.unlink()
    return sorted(path.name for path in shown.iterdir() if not path.name.startswith("."))


def test_names_of_a_running_container_are_not_pruned(seeded: Wherry) -> None:
    """However long ago its plan was made."""
    seeded.ok("run", "-d", "--name", "service", "tiny", "sleep", "600")
    before = _forget_use(seeded)
    assert before
    seeded.ok("prune", "-f")
    assert sorted(path for path in os.listdir(seeded.folder / "store" / "shown") if path[0] != ".") == before
    assert seeded.ok("exec", "service", "cat", "/etc/hosts") == Path("/etc/hosts").read_text()
    seeded.ok("rm", "-f", "service")


def test_a_start_after_the_names_went_makes_them_again(seeded: Wherry) -> None:
    """A saved plan notices that they are gone."""
    assert seeded.ok("run", "tiny", "cat", "/etc/hosts") == Path("/etc/hosts").read_text()
    shutil.rmtree(seeded.folder / "store" / "shown")
    assert seeded.ok("run", "tiny", "cat", "/etc/hosts") == Path("/etc/hosts").read_text()
