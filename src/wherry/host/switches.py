"""The switches that may forbid namespaces, and the container around us: read, never judged."""

from __future__ import annotations

import os

from wherry.host.facts import Namespaces
from wherry.host.filesystems import filesystem_type, mounts

__all__ = ["distribution", "outer_container", "read_namespaces", "read_number", "read_text"]

_SIGNS = (
    ("APPTAINER_CONTAINER", "apptainer"),
    ("SINGULARITY_CONTAINER", "singularity"),
    ("CH_RUNNING", "charliecloud"),
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
)
"""Variables by which other tools tell what runs in them that it does."""

_FIRST = {"user": 0xEFFFFFFD, "pid": 0xEFFFFFFC}
_LABELS = {"libpod": "podman", "docker": "docker"}
_INITRAMFS = ("rootfs", "ramfs")


def read_namespaces(*, network: bool = False) -> Namespaces:
    """What this kernel and what is around us say; ``network`` is what a trial found."""
    points = [point for point, _ in mounts()]
    return Namespaces(
        limit=read_number("/proc/sys/user/max_user_namespaces"),
        clone=read_number("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor=read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        network=network,
        filtered="\nSeccomp:\t2" in read_text("/proc/self/status"),
        outer=outer_container(),
        initramfs=filesystem_type("/") in _INITRAMFS,
        chroot=bool(points) and "/" not in points,
    )


def outer_container() -> str:
    """The kind of container that we run in, ``container`` for an unknown one, ``""`` for none that shows."""
    for name, kind in _SIGNS:
        if os.environ.get(name):
            return kind
    declared = os.environ.get("container", "")  # noqa: SIM112 - so spelled by systemd and all that follow it
    if declared:
        return _LABELS.get(declared, declared)
    if os.path.exists("/.dockerenv") and not _is_first("pid"):  # a virtual machine may be made of Docker's image
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    return "" if _is_first("user") and _is_first("pid") else "container"


def _is_first(kind: str) -> bool:
    """Whether our namespace is that of the machine itself; these have fixed numbers (linux/proc_ns.h)."""
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino == _FIRST[kind]
    except OSError:
        return True


def distribution() -> str:
    """The distribution's family: ``debian``, ``fedora``, ``suse``, ``arch`` or its own id (os-release(5))."""
    found: dict[str, str] = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        for line in read_text(path).splitlines():
            name, _, value = line.partition("=")
            found.setdefault(name, value.strip("\"'"))
    ids = [found.get("ID", ""), *found.get("ID_LIKE", "").split()]
    for family, members in _FAMILIES:
        if not members.isdisjoint(ids):
            return family
    return ids[0]


_FAMILIES = (
    ("debian", {"debian", "ubuntu"}),
    ("fedora", {"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"}),
    ("suse", {"suse", "opensuse", "sles", "sle-micro", "opensuse-leap"}),
    ("arch", {"arch"}),
    ("alpine", {"alpine"}),
)


def read_number(path: str) -> int | None:
    """The whole number in a file of the kernel's; None where there is no such file."""
    try:
        return int(read_text(path))
    except ValueError:
        return None


def read_text(path: str) -> str:
    """A small file as text; empty where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(1 << 16).decode(errors="replace")
    except OSError:
        return ""
