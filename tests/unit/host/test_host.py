"""The description of this machine."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import msgspec
import pytest

from wherry.base.errors import HostLacks
from wherry.base.outside import Outside
from wherry.host import (
    filesystem_type,
    filesystems,
    is_remote,
    machine,
    probe,
    require_containers,
    runtime_dir,
    scratch,
    scratch_parents,
    state_dir,
    trial,
)
from wherry.host.trial import Trial


def outside(tmp_path: Path, **more: str) -> Outside:
    return Outside({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": os.environ["PATH"], **more})


def test_the_trials_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second probe of a boot reads a file."""
    first = probe(outside(tmp_path))
    monkeypatch.setattr(trial, "try_namespaces", lambda folder: pytest.fail("tried again"))
    assert probe(outside(tmp_path)) == first
    assert first.userns and first.overlay and first.mount_proc
    assert (first.uid, first.node) == (os.geteuid(), os.uname().nodename)


def test_a_refusal_is_never_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator may lift it without a reboot."""
    monkeypatch.setattr(trial, "try_namespaces", lambda folder: Trial(problem="unshare: EPERM"))
    refused = probe(outside(tmp_path))
    assert not refused.userns
    monkeypatch.undo()
    assert probe(outside(tmp_path)).userns


@pytest.mark.parametrize("change", ["identity", "boot", "node"])
def test_another_boot_user_or_node_is_probed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A runtime folder may be shared, or survive a boot."""
    probe(outside(tmp_path))
    calls = []
    found = trial.try_namespaces

    def count(folder: str) -> Trial:
        calls.append(folder)
        return found(folder)

    monkeypatch.setattr(trial, "try_namespaces", count)
    asked = outside(tmp_path)
    if change == "identity":
        who = asked.identity()
        monkeypatch.setattr(asked, "identity", lambda: msgspec.structs.replace(who, groups=(*who.groups, 77)))
    elif change == "boot":
        monkeypatch.setattr(asked, "boot_id", lambda: "another")
    else:
        monkeypatch.setattr(asked, "node", lambda: "another")
    probe(asked)
    assert len(calls) == 1


def test_a_broken_cache_is_read_as_none(tmp_path: Path) -> None:
    """Whatever is in it."""
    (tmp_path / "wherry").mkdir(mode=0o700)
    (tmp_path / "wherry/host.json").write_text("{")
    assert probe(outside(tmp_path)).userns


def test_the_trials_leave_nothing_behind(tmp_path: Path) -> None:
    """No mount, no process, no file."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    assert trial.try_namespaces(str(folder)).namespaces
    assert trial.try_overlay(str(tmp_path), volatile=True)
    assert os.listdir(folder) == []
    assert os.listdir(tmp_path) == ["runtime"]
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()  # others mount things meanwhile


def test_a_machine_without_namespaces_says_why(tmp_path: Path) -> None:
    """And what an administrator can change."""
    host = msgspec.structs.replace(probe(outside(tmp_path)), userns=False, problem="unshare: ENOSPC")
    with pytest.raises(HostLacks) as caught:
        require_containers(host)
    assert "user namespaces" in caught.value.why
    assert caught.value.hint


def test_the_runtime_folder_is_the_sessions(tmp_path: Path) -> None:
    """Made 0700 below XDG_RUNTIME_DIR."""
    found = runtime_dir(outside(tmp_path))
    assert found == f"{tmp_path}/wherry"
    assert stat.S_IMODE(os.stat(found).st_mode) == 0o700


def test_without_a_session_it_is_in_the_temporary_folder(tmp_path: Path) -> None:
    """TMPDIR/wherry-UID, also where XDG_RUNTIME_DIR is another user's or gone."""
    expected = f"{tmp_path}/wherry-{os.geteuid()}"
    assert runtime_dir(Outside({"TMPDIR": str(tmp_path)})) == expected
    assert runtime_dir(Outside({"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": "/nonexistent"})) == expected
    assert runtime_dir(Outside({"TMPDIR": f"{tmp_path}/"})) == expected


@pytest.mark.parametrize("kind", ["link", "file", "open"])
def test_a_runtime_folder_that_others_could_fill_is_refused(tmp_path: Path, kind: str) -> None:
    """Plans in it are executed."""
    place = tmp_path / f"wherry-{os.geteuid()}"
    if kind == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "real")
    elif kind == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o755)
    with pytest.raises(HostLacks, match="cannot use"):
        runtime_dir(Outside({"TMPDIR": str(tmp_path)}))


def test_the_state_folder() -> None:
    """XDG_STATE_HOME, else ~/.local/state."""
    assert state_dir(Outside({"XDG_STATE_HOME": "/s", "HOME": "/h"})) == "/s/wherry"
    assert state_dir(Outside({"HOME": "/usr"})) == "/usr/.local/state/wherry"
    assert state_dir(Outside({"XDG_STATE_HOME": "relative", "HOME": "/usr"})) == "/usr/.local/state/wherry"


@pytest.mark.parametrize("home", ["", "relative", "/no/such/folder"])
def test_without_a_home_records_go_where_the_account_says(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((*account[:5], "/usr", account[6])))
    assert state_dir(Outside({"HOME": home})) == "/usr/.local/state/wherry"


def test_who_has_no_home_at_all_has_records_in_the_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((*account[:5], "/nonexistent", account[6])))
    found = state_dir(Outside({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/nonexistent"}))
    assert found == f"{tmp_path}/wherry/state"


def test_home_is_the_callers_also_after_it_changed(tmp_path: Path) -> None:
    """On many clusters ``HOME`` is not what the account says; the description that was kept does not matter."""
    (tmp_path / "other").mkdir()
    assert probe(outside(tmp_path)).home == str(tmp_path)
    looking = outside(tmp_path, HOME=f"{tmp_path}/other/")
    assert probe(looking).home == f"{tmp_path}/other"
    assert ("env", "HOME") in {(found.kind, found.name) for found in looking.inputs}


def test_the_file_system_of_a_path() -> None:
    """Also of one that does not exist yet."""
    assert filesystem_type("/proc/self") == "proc"
    assert filesystem_type("/proc/none/such") == "proc"


def test_the_longest_mount_point_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of two mounts at one point the later."""
    mounts = [("/", "ext4"), ("/h", "nfs4"), ("/h/alice", "ext4"), ("/h", "lustre"), ("/hx", "xfs")]
    monkeypatch.setattr(filesystems, "mounts", lambda: mounts)
    monkeypatch.setattr(filesystems, "existing", lambda path: path)
    found = {path: filesystem_type(path) for path in ("/h/bob", "/h/alice/x", "/hx", "/etc")}
    assert found == {"/h/bob": "lustre", "/h/alice/x": "ext4", "/hx": "xfs", "/etc": "ext4"}


def test_mount_points_with_spaces_are_read() -> None:
    """mountinfo writes them in octal."""
    assert filesystems._unescape(rb"/a\040b\134c") == "/a b\\c"


@pytest.mark.parametrize(
    ("kind", "remote"),
    [("nfs4", True), ("lustre", True), ("fuse.sshfs", True), ("ext4", False), ("tmpfs", False), ("fuse.ntfs", False)],
)
def test_network_file_systems_are_known(kind: str, remote: bool) -> None:
    """By type, as the kernel names it."""
    assert is_remote(kind) is remote


def test_the_writable_layer_lies_beside_a_local_store(tmp_path: Path) -> None:
    """And is asked for once a boot."""
    asked = outside(tmp_path)
    host = probe(asked)
    store = tmp_path / "store"
    store.mkdir()
    found = scratch_parents(asked, host, setting="", store=str(store), runtime=runtime_dir(asked))
    assert found == (f"{store}/scratch",)
    assert stat.S_IMODE(os.stat(found[0]).st_mode) == 0o700


def test_a_store_on_a_network_file_system_sends_it_to_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To TMPDIR first."""
    asked = outside(tmp_path, TMPDIR=str(tmp_path))
    host = probe(asked)
    store = tmp_path / "store"
    store.mkdir()
    monkeypatch.setattr(scratch, "filesystem_type", lambda path: "nfs4" if path.startswith(str(store)) else "ext4")
    found = scratch_parents(asked, host, setting="", store=str(store), runtime=runtime_dir(asked))
    assert found == (f"{tmp_path}/wherry-{os.geteuid()}/scratch",)


def test_a_scratch_folder_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, and never silently replaced."""
    asked = outside(tmp_path)
    host = probe(asked)
    monkeypatch.setattr(scratch, "filesystem_type", lambda path: "lustre")
    with pytest.raises(HostLacks) as caught:
        scratch_parents(asked, host, setting="/lustre/me", store="/s", runtime=runtime_dir(asked))
    assert "'/lustre/me'" in caught.value.why
    assert "lustre" in caught.value.why
    with pytest.raises(HostLacks):
        scratch_parents(asked, host, setting="", store="/s", runtime=runtime_dir(asked))


def test_an_unknown_uid_gets_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clouds run users that no name service knows."""
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert machine._account(3_999_999_999) == ("user3999999999", "/h", "/bin/sh")
