"""What stands in the way of each engine, for many machines."""

from __future__ import annotations

import msgspec
import pytest

from machines import GOOD, changed, refused
from wherry.host import ENGINES, Machine, against
from wherry.host.facts import Program, Proot, Tracing
from wherry.host.machine import lacking
from wherry.host.obstacles import Obstacle, install_line


def ids(machine: Machine, engine: str) -> list[str]:
    return [obstacle.id for obstacle in against(machine, engine)]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_stands_in_the_way_on_a_good_machine(engine: str) -> None:
    assert against(GOOD, engine) == ()


@pytest.mark.parametrize(
    ("machine", "expected", "ask"),
    [
        (refused("unshare: ENOSPC", limit=0), "userns-limit", "sysctl -w user.max_user_namespaces=15000"),
        (refused("unshare: EPERM", limit=0, outer="docker"), "userns-limit", "sysctl"),
        (refused("unshare: ENOSPC"), "userns-used-up", "sysctl -w user.max_user_namespaces=120000"),
        (refused("unshare: EPERM", clone=0), "userns-clone", "sysctl -w kernel.unprivileged_userns_clone=1"),
        # Ubuntu 24.04 makes the namespace and leaves it powerless: whatever step meets it
        (refused("setgroups: EACCES", apparmor=1), "userns-apparmor", "sysctl -w kernel.apparmor_restrict"),
        (refused("uid_map: EPERM", apparmor=1), "userns-apparmor", "sysctl -w kernel.apparmor_restrict"),
        (refused("mount: EACCES", apparmor=1), "userns-apparmor", "sysctl -w kernel.apparmor_restrict"),
        (
            refused("unshare: EPERM", filtered=True, outer="docker"),
            "userns-outer",
            "docker run --security-opt seccomp=",
        ),
        (refused("mount tmpfs: EACCES", filtered=True, outer="podman"), "userns-outer", "podman run --security-opt"),
        (refused("unshare: EPERM", outer="wherry"), "userns-outer", "wherry run --security-opt seccomp=unconfined ..."),
        (refused("unshare: EPERM", outer="kubernetes"), "userns-outer", "set securityContext"),
        (refused("unshare: EPERM", filtered=True), "userns-filter", "let unshare, mount and pivot_root through"),
        (refused("unshare: EPERM", chroot=True), "root-chroot", "systemd-nspawn"),
        (refused("unshare: EINVAL"), "userns-kernel", "boot a kernel"),
        (refused("pivot_root: EINVAL", initramfs=True), "root-initramfs", "boot the node"),
        (refused("uid_map: ENOENT"), "proc-none", "mount -t proc"),
        (refused("unshare: EPERM"), "userns-refused", "journalctl"),
    ],
)
def test_who_forbids_namespaces_is_told_by_more_than_the_kernels_answer(
    machine: Machine, expected: str, ask: str
) -> None:
    (obstacle,) = against(machine, "namespace")
    assert obstacle.id == expected
    assert obstacle.ask.startswith(ask)


def test_docker_is_asked_for_apparmor_too_and_wherry_is_not() -> None:
    """Wherry refuses Docker's words about AppArmor."""
    (docker,) = against(refused("unshare: EPERM", outer="docker"), "namespace")
    assert "apparmor=unconfined" in docker.ask


@pytest.mark.parametrize("scope", [2, 3])
def test_a_forbidden_ptrace_names_yamas_switch(scope: int) -> None:
    machine = msgspec.structs.replace(
        GOOD, tracing=Tracing(scope, False, "ptrace: EPERM"), proot=Proot("/usr/bin/proot")
    )
    (obstacle,) = against(machine, "proot")
    assert obstacle.id == "ptrace-scope"
    assert ("reboot" in obstacle.ask) == (scope == 3)


def test_a_filtered_ptrace_names_the_container_around() -> None:
    machine = msgspec.structs.replace(GOOD, tracing=Tracing(1, False, "ptrace: EPERM"))
    assert against(machine, "proot")[0].id == "ptrace-refused"
    machine = changed("namespaces", machine, outer="docker")
    assert against(machine, "proot")[0].ask == "docker run --cap-add SYS_PTRACE ..."


@pytest.mark.parametrize(
    ("proot", "expected"),
    [(Proot(), "proot-none"), (Proot("/p", problem="it was ended by signal 11"), "proot-broken")],
)
def test_a_missing_proot_and_a_broken_one_differ(proot: Proot, expected: str) -> None:
    assert ids(msgspec.structs.replace(GOOD, proot=proot), "proot") == [expected]


def test_the_library_may_be_missing_or_broken() -> None:
    assert ids(msgspec.structs.replace(GOOD, interpose=""), "fakechroot") == ["interpose-none"]
    assert ids(msgspec.structs.replace(GOOD, interpose_problem="signal 11"), "fakechroot") == ["interpose-broken"]


def test_a_runtime_that_failed_is_no_runtime() -> None:
    broken = Program("crun", "/usr/bin/crun", problem="cgroups in hybrid mode not supported")
    [obstacle] = against(msgspec.structs.replace(GOOD, runtimes=(broken,)), "oci")
    assert obstacle.id == "runtime-broken"
    assert obstacle.what == "'/usr/bin/crun' does not work here: cgroups in hybrid mode not supported"
    assert ids(msgspec.structs.replace(GOOD, runtimes=(Program("runc", "/usr/sbin/runc"), broken)), "oci") == []


def test_runtimes_need_namespaces_as_well() -> None:
    machine = msgspec.structs.replace(refused("unshare: EPERM"), runtimes=(), sites=())
    assert ids(machine, "oci") == ["userns-refused", "runtime-none"]
    assert ids(machine, "site") == ["site-none"]


@pytest.mark.parametrize(
    ("family", "line"),
    [
        ("debian", "apt-get install uidmap"),
        ("fedora", "dnf install shadow-utils"),
        ("suse", "zypper install shadow"),
        ("gentoo", "install the package 'shadow'"),
    ],
)
def test_packages_have_the_distributions_names(family: str, line: str) -> None:
    assert install_line(msgspec.structs.replace(GOOD, distribution=family), "newuidmap") == line


def test_an_error_names_the_obstacle_who_removes_it_and_the_doctor() -> None:
    theirs = lacking("no container", Obstacle("some-id", "it is off", "sysctl -w it=1", "slow"))
    assert str(theirs) == "no container: it is off [some-id]"
    assert "administrator for: sysctl -w it=1" in theirs.hint
    assert "wherry doctor" in theirs.hint
    yours = lacking("no container", Obstacle("some-id", "it is off", "export IT=1", "slow", yours=True))
    assert yours.hint.endswith("type: export IT=1")
