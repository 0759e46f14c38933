"""The kernel's security modules, as far as they show."""

from __future__ import annotations

from typing import Literal

from wherry.host.facts import Security
from wherry.host.switches import read_number, read_text

__all__ = ["find_security"]


def find_security(landlock: int) -> Security:
    """Names of the modules, SELinux's mode and our own label, beside Landlock's version, which needs a trial."""
    modules = tuple(name for name in read_text("/sys/kernel/security/lsm").strip().split(",") if name)
    enforce = read_number("/sys/fs/selinux/enforce")
    selinux: Literal["enforcing", "permissive", ""] = ""
    if enforce is not None:
        selinux = "enforcing" if enforce else "permissive"
    label = (read_text("/proc/self/attr/current") or read_text("/proc/self/attr/apparmor/current")).strip("\0\n")
    return Security(modules, selinux, label, landlock, _gains_nothing())


def _gains_nothing() -> bool:
    """The bit no_new_privs, or a user namespace of somebody's, in which the host's root is nobody."""
    mapped = read_text("/proc/self/uid_map").split()
    return "\nNoNewPrivs:\t1" in read_text("/proc/self/status") or (len(mapped) == 3 and mapped[2] == "1")
