"""Why the kernel refuses namespaces, said in words: the kernel's own answer (EPERM, ENOSPC) misleads."""

from __future__ import annotations

import os

__all__ = ["explain_refusal"]


def explain_refusal(problem: str) -> tuple[str, str]:
    """Cause and next step for a trial's ``problem`` (``step: ERRNO``), from the switches that this kernel shows."""
    if _number("/proc/sys/user/max_user_namespaces") == 0:
        return (
            "the administrator has set the number of user namespaces to 0",
            "ask for: sysctl -w user.max_user_namespaces=15000",
        )
    if problem.startswith("unshare: ENOSPC"):  # not a full disk
        return (
            "all user namespaces that the system allows are in use, or they are nested too deeply (32 levels)",
            "end other containers of yours, or ask for a larger user.max_user_namespaces",
        )
    if _number("/proc/sys/kernel/unprivileged_userns_clone") == 0:
        return (
            "this kernel lets only root make user namespaces",
            "ask for: sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if _number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1:
        return (
            "AppArmor gives user namespaces to listed programs only (Ubuntu 23.10 and newer)",
            "ask for an AppArmor profile for wherry, or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if "EINVAL" in problem and problem.startswith("unshare"):
        return ("the kernel was built without user namespaces", "ask for a kernel with CONFIG_USER_NS=y")
    if os.environ.get("container") == "wherry":  # noqa: SIM112 - so spelled by systemd and all that follow it
        return (
            f"the Wherry container around it forbids it ({problem})",
            "start the outer container with --security-opt seccomp=unconfined",
        )
    if _seccomp_filtered():
        return (
            f"an outer container forbids it ({problem})",
            "start the outer container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        )
    return (f"the kernel refused ({problem})", "ask your administrator whether user namespaces are forbidden")


def _number(path: str) -> int | None:
    try:
        with open(path, "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _seccomp_filtered() -> bool:
    try:
        with open("/proc/self/status", "rb") as file:
            return b"\nSeccomp:\t2" in file.read()
    except OSError:
        return False
