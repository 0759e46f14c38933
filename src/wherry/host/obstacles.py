"""What keeps an engine from being used, from the facts alone: each obstacle with what to ask for, and what it costs.

The ids are stable: they are in ``docs/reference/doctor.md``, in error messages and in what ``doctor`` prints for
programs.
"""

from __future__ import annotations

import msgspec

from wherry.host.facts import Machine, Namespaces, Program
from wherry.host.machine import Host

__all__ = ["ENGINES", "Obstacle", "against", "install_line", "no_namespaces", "outer_line", "usable_sites"]

ENGINES = ("namespace", "proot", "fakechroot", "oci", "site")

_INSTALL = {
    "debian": "apt-get install",
    "fedora": "dnf install",
    "suse": "zypper install",
    "arch": "pacman -S",
    "alpine": "apk add",
}
_PACKAGES = {
    ("newuidmap", "debian"): "uidmap",
    ("newuidmap", "fedora"): "shadow-utils",
    ("newuidmap", "alpine"): "shadow-uidmap",
}


class Obstacle(msgspec.Struct, frozen=True):
    """``what`` is in the way, in one line; ``ask`` the one line that removes it, typed by the administrator, or with
    ``yours`` by the user; ``cost`` what it is like to do without."""

    id: str
    what: str
    ask: str
    cost: str
    yours: bool = False


def against(machine: Machine, engine: str) -> tuple[Obstacle, ...]:
    """Why this engine (one of :data:`ENGINES`) cannot be used here; empty when it can."""
    if engine == "namespace":
        return () if machine.host.userns else (no_namespaces(machine.host, machine.namespaces),)
    if engine == "proot":
        return _against_proot(machine)
    if engine == "fakechroot":
        return _against_fakechroot(machine)
    if engine == "oci":
        return (*against(machine, "namespace"), *_against_runtimes(machine))
    if usable_sites(machine):
        return ()
    return against(machine, "namespace") if machine.sites else (_no_site(machine),)


def usable_sites(machine: Machine) -> tuple[Program, ...]:
    """The programs of the site that may work here: unless set-uid, they need what we do, or AppArmor's leave."""
    may = machine.host.userns or machine.namespaces.apparmor == 1
    return tuple(program for program in machine.sites if may or program.setuid)


_WITHOUT = "files are opened more slowly; processes, network and limits are not kept apart"


def no_namespaces(host: Host, namespaces: Namespaces) -> Obstacle:
    """Who forbids namespaces, told from the switches first: the kernel's own answer (EPERM, ENOSPC) misleads."""
    problem, outer = host.problem, namespaces.outer
    denied = "EPERM" in problem or "EACCES" in problem
    if "ENOENT" in problem:
        return Obstacle("proc-none", "/proc is not mounted here", "mount -t proc proc /proc", _WITHOUT)
    if namespaces.limit == 0:
        what = "user namespaces are switched off: their number is limited to 0"
        return Obstacle("userns-limit", what, "sysctl -w user.max_user_namespaces=15000", _WITHOUT)
    if problem.startswith("unshare: ENOSPC"):  # not a full disk
        what = "all user namespaces that may be are in use, or nested too deeply (32 levels)"
        ask = f"sysctl -w user.max_user_namespaces={max(2 * (namespaces.limit or 0), 15000)}"
        return Obstacle("userns-used-up", what, ask, _WITHOUT)
    if namespaces.clone == 0:
        what = "this kernel lets only root make user namespaces"
        return Obstacle("userns-clone", what, "sysctl -w kernel.unprivileged_userns_clone=1", _WITHOUT)
    if outer and denied:
        named = "" if outer == "container" else f" ({outer})"
        what = f"the container around it{named} forbids namespaces ({problem})"
        return Obstacle("userns-outer", what, _nesting_line(outer), _WITHOUT, yours=True)
    if namespaces.chroot and denied:
        what = "in a chroot environment the kernel gives no namespaces"
        return Obstacle("root-chroot", what, "systemd-nspawn -D DIRECTORY   # in place of chroot", _WITHOUT)
    if namespaces.apparmor == 1:
        what = "AppArmor leaves user namespaces powerless for programs that it does not know"
        ask = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        return Obstacle("userns-apparmor", what, ask, _WITHOUT)
    if problem.startswith("unshare: EINVAL"):
        what = "the kernel was built without the namespaces that a container needs"
        return Obstacle("userns-kernel", what, "boot a kernel with CONFIG_USER_NS=y and CONFIG_PID_NS=y", _WITHOUT)
    if problem.startswith("pivot_root: EINVAL") and namespaces.initramfs:
        what = "the node runs from its initramfs, which no process can leave (pivot_root)"
        return Obstacle("root-initramfs", what, "boot the node with its root on a tmpfs (switch_root)", _WITHOUT)
    if namespaces.filtered:
        what = f"a seccomp filter upon this process forbids namespaces ({problem})"
        return Obstacle("userns-filter", what, _nesting_line(""), _WITHOUT)
    what = f"the kernel refuses namespaces ({problem})"
    return Obstacle("userns-refused", what, "journalctl -k -S -10min --grep 'userns|apparmor|avc'", _WITHOUT)


def _nesting_line(outer: str) -> str:
    if outer in ("docker", "wherry"):  # in Docker AppArmor forbids mounts that the seccomp filter let through
        more = " --security-opt apparmor=unconfined" if outer == "docker" else ""
        return f"{outer} run --security-opt seccomp=unconfined{more} ..."
    if outer == "podman":
        return "podman run --security-opt seccomp=unconfined --security-opt label=disable ..."
    if outer == "kubernetes":
        return "set securityContext.seccompProfile.type to Unconfined in the pod"
    return "let unshare, mount and pivot_root through in the seccomp filter around it"


def outer_line(outer: str, options: str, otherwise: str) -> str:
    """How to start the container around us with ``options``, where its tool is known to have them."""
    return f"{outer} run {options} ..." if outer in ("docker", "podman") else otherwise


_NO_TRACING = "without namespaces too, static programs and those of another C library cannot be run"


def _against_proot(machine: Machine) -> tuple[Obstacle, ...]:
    tracing, proot = machine.tracing, machine.proot
    if not tracing.works and (tracing.scope or 0) >= 2:
        what = f"no user may trace a process (ptrace_scope is {tracing.scope})"
        ask = "sysctl -w kernel.yama.ptrace_scope=1"
        if tracing.scope == 3:
            ask = "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, then reboot (3 cannot be undone)"
        return (Obstacle("ptrace-scope", what, ask, _NO_TRACING),)
    if not tracing.works:
        what = f"tracing a process is refused ({tracing.problem})"
        otherwise = "let ptrace through in the seccomp filter around it"
        ask = outer_line(machine.namespaces.outer, "--cap-add SYS_PTRACE", otherwise)
        return (Obstacle("ptrace-refused", what, ask, _NO_TRACING, yours=ask != otherwise),)
    if not proot.path:
        what = "proot is neither in PATH nor in a tools folder (~/.local/share/wherry/tools)"
        return (Obstacle("proot-none", what, install_line(machine, "proot"), _NO_TRACING),)
    if not proot.works:
        what = f"'{proot.path}' does not work on this kernel: {proot.problem}"
        ask = "export WHERRY_ENGINE_PROOT=/path/to/another/proot"
        return (Obstacle("proot-broken", what, ask, _NO_TRACING, yours=True),)
    return ()


def _against_fakechroot(machine: Machine) -> tuple[Obstacle, ...]:
    cost = "where only proot works, programs that open many files take several times as long"
    ask = "pip install --force-reinstall ."
    if not machine.interpose:
        what = "the interposition library is not part of this installation"
        return (Obstacle("interpose-none", what, ask, cost, yours=True),)
    if machine.interpose_problem:
        what = f"the interposition library does not work here: {machine.interpose_problem}"
        return (Obstacle("interpose-broken", what, ask, cost, yours=True),)
    return ()


def _against_runtimes(machine: Machine) -> tuple[Obstacle, ...]:
    cost = "nothing: the engine 'namespace' does the same"
    if not machine.runtimes:
        what = "neither crun nor youki nor runc is installed"
        return (Obstacle("runtime-none", what, install_line(machine, "crun"), cost),)
    first = machine.runtimes[0]
    if first.problem:
        what = f"'{first.path}' does not work here: {first.problem}"
        return (Obstacle("runtime-broken", what, "install another: crun, youki or runc", cost),)
    return ()


def _no_site(machine: Machine) -> Obstacle:
    what = "neither apptainer nor singularity nor ch-run nor podman is installed"
    return Obstacle("site-none", what, install_line(machine, "apptainer"), "nothing where another engine can be used")


def install_line(machine: Machine, package: str) -> str:
    """How an administrator of this distribution installs a package; some have other names there."""
    family = machine.distribution
    name = _PACKAGES.get((package, family), "shadow" if package == "newuidmap" else package)
    return f"{_INSTALL[family]} {name}" if family in _INSTALL else f"install the package '{name}'"
