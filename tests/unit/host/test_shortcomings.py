"""What is missed though containers run, for many machines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machines import GOOD, changed, refused
from wherry.host import Machine, shortcomings
from wherry.host.facts import Batch, Cgroup, Fuse, Ids, Namespaces, Storage, Survival


def ids(machine: Machine) -> list[str]:
    return [obstacle.id for obstacle in shortcomings(machine)]


def with_(**parts: Any) -> Machine:
    return msgspec.structs.replace(GOOD, **parts)


def test_nothing_is_missed_on_a_good_machine() -> None:
    assert shortcomings(GOOD) == ()


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (changed("host", overlay=False), "overlay-none"),
        (changed("host", overlay=False, fuse_overlayfs="/usr/bin/fuse-overlayfs"), "overlay-none"),
        (changed("host", mount_proc=False), "proc-masked"),
        (changed("namespaces", network=False), "netns-none"),
        (with_(fuse=Fuse()), "fuse-device"),
        (with_(fuse=Fuse(device=True)), "fuse-closed"),
        (with_(fuse=Fuse(device=True, opens=True)), "fusermount-none"),
        (with_(fuse=Fuse(device=True, opens=True, fusermount="/f")), "fusermount-powerless"),
        (with_(squashfuse=""), "squashfuse-none"),
        (with_(ids=Ids(newuidmap="/u", newgidmap="/g")), "subids-none"),
        (with_(ids=Ids(1, 1)), "newuidmap-none"),
        (with_(ids=Ids(1, 1, "/u", "/g", problem="not permitted")), "newuidmap-powerless"),
        (changed("host", supervised="no: seccomp: EINVAL"), "supervisor-none"),
        (
            msgspec.structs.replace(
                changed("host", supervised="no: seccomp: EBUSY"), namespaces=Namespaces(network=True, filtered=True)
            ),
            "supervisor-outer",
        ),
        (with_(cgroup=Cgroup("v1")), "cgroup-v1"),
        (with_(cgroup=Cgroup("hybrid")), "cgroup-v1"),
        (with_(cgroup=Cgroup()), "cgroup-none"),
        (with_(cgroup=Cgroup("v2", "/x")), "cgroup-closed"),
        (with_(cgroup=Cgroup("v2", "/x"), batch=Batch("slurm", "7")), "cgroup-job"),
        (with_(cgroup=Cgroup("v2", systemd=True, controllers=("memory", "pids"))), "cgroup-controllers"),
        (with_(survival=Survival("logout")), "logout-kills"),
        (with_(storage=(Storage("store", "/s", "nfs4", remote=True),)), "store-remote"),
        (with_(storage=(Storage("store", "/s", "ext4", noexec=True),)), "store-noexec"),
        (with_(storage=(Storage("store", "/s", "lustre", remote=True, xattrs=False),)), "store-attributes"),
        (with_(storage=(Storage("scratch", "/s", "gpfs", remote=True),)), "scratch-remote"),
        (with_(storage=(Storage("scratch", "/s", "tmpfs", memory=True),)), "scratch-memory"),
    ],
)
def test_each_is_told_alone(machine: Machine, expected: str) -> None:
    (found,) = shortcomings(machine)
    assert found.id == expected
    assert found.ask
    assert found.cost


def test_where_set_id_programs_gain_nothing_their_bits_are_not_blamed() -> None:
    machine = changed("security", no_new_privs=True)
    machine = msgspec.structs.replace(
        machine, fuse=Fuse(True, True, False, "/f", False), ids=Ids(1, 1, "/u", "/g", problem="not permitted")
    )
    assert ids(machine) == ["fusermount-outer", "newuidmap-outer"]


def test_without_namespaces_only_what_their_successor_lacks_is_told() -> None:
    assert ids(refused("unshare: EPERM")) == []
    assert ids(changed("proot", refused("unshare: EPERM"), seccomp=False)) == ["proot-seccomp"]


def test_the_line_for_a_remote_store_is_the_users_own() -> None:
    (found,) = shortcomings(with_(storage=(Storage("store", "/s", "beegfs", remote=True),)))
    assert found.yours
    assert found.ask.startswith("export WHERRY_STORE=")


@pytest.mark.parametrize(
    ("outer", "start"),
    [
        ("docker", "docker run --security-opt systempaths"),
        ("podman", "podman run --security-opt unmask"),
        ("lxc", "start"),
    ],
)
def test_a_masked_proc_is_uncovered_by_the_outer_tools_own_option(outer: str, start: str) -> None:
    (found,) = shortcomings(changed("namespaces", changed("host", mount_proc=False), outer=outer))
    assert found.ask.startswith(start)
