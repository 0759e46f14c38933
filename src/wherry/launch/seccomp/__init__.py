"""System call filters: rules as data, compiled to a balanced tree of classic BPF (seccomp(2)).

The default is what Docker users know, with these differences: process_vm_readv, ptrace and memory policies are allowed
(MPI, debuggers, numactl), and ``ioctl`` cannot push input into the terminal (TIOCSTI, TIOCLINUX), which a container
without its own terminal would otherwise share with its user's shell. It is compiled beforehand
(``scripts/make-seccomp``); a test compiles it anew and compares. May import only ``wherry.base``.
"""

from __future__ import annotations

import os

import msgspec

from wherry.base.errors import HostLacks

__all__ = ["Filter", "compile_json", "default_filter"]


class Filter(msgspec.Struct, frozen=True):
    """``program``: an array of struct sock_filter; ``refuses_tiocsti``: ioctl(TIOCSTI) gives EPERM (can be proved)."""

    program: bytes
    refuses_tiocsti: bool


def default_filter(architecture: str) -> Filter:
    """The default filter for an architecture in OCI's name; raises :class:`HostLacks` where there is none."""
    path = f"{os.path.dirname(os.path.abspath(__file__))}/default-{architecture}.bpf"
    try:
        with open(path, "rb", buffering=0) as file:
            return Filter(file.read(), True)
    except OSError:
        raise HostLacks(
            f"there is no system call filter for '{architecture}'",
            hint="--security-opt seccomp=unconfined starts without one",
        ) from None


def compile_json(text: bytes, path: str, architecture: str, kernel: str, capabilities: int) -> Filter:
    """A profile in Docker's JSON format; raises :class:`UsageError` naming ``path`` and what is wrong in it."""
    from wherry.launch.seccomp.assemble import assemble, decide
    from wherry.launch.seccomp.dockerjson import read_profile
    from wherry.launch.seccomp.rules import EPERM, TIOCSTI, errno_action

    profile = read_profile(text, path, architecture, kernel, capabilities)
    answer = decide(profile, architecture, "ioctl", (0, TIOCSTI, 0, 0, 0, 0))
    return Filter(assemble(profile, architecture), answer == errno_action(EPERM))
