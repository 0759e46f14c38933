"""System call filters: rules as data, compiled to a balanced tree of classic BPF (seccomp(2)).

The default is what Docker users know, with these differences: process_vm_readv, ptrace and memory policies are allowed
(MPI, debuggers, numactl), and ``ioctl`` cannot push input into the terminal (TIOCSTI, TIOCLINUX), which a container
without its own terminal would otherwise share with its user's shell. It is compiled beforehand
(``scripts/make-seccomp``); a test compiles it anew and compares. May import only ``wherry.base``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks

if TYPE_CHECKING:
    from wherry.launch.seccomp.rules import Profile

__all__ = ["Filter", "compile_json", "default_filter", "only_without", "pretending", "without"]


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


def compile_json(
    text: bytes, path: str, architecture: str, kernel: str, capabilities: int, lacking: tuple[str, ...] = ()
) -> Filter:
    """A profile in Docker's JSON format; raises :class:`UsageError` naming ``path`` and what is wrong in it.

    ``lacking`` are system calls that are answered as by a kernel without them (ENOSYS), whatever the profile says.
    """
    from wherry.launch.seccomp.dockerjson import read_profile

    return _compiled(read_profile(text, path, architecture, kernel, capabilities), architecture, lacking)


def without(lacking: tuple[str, ...], architecture: str) -> Filter:
    """The default filter, with these system calls answered as by a kernel that lacks them."""
    from wherry.launch.seccomp.rules import DEFAULT

    return _compiled(DEFAULT, architecture, lacking)


def only_without(lacking: tuple[str, ...], architecture: str) -> Filter:
    """No filter but that these system calls are answered as by a kernel that lacks them."""
    from wherry.launch.seccomp.rules import ALLOW, Profile

    return _compiled(Profile((), default=ALLOW, newer=ALLOW), architecture, lacking)


def pretending(architecture: str) -> Filter:
    """The default filter, but what needs other ids than one seems to work: it is not done, and answers success."""
    from wherry.launch.seccomp.rules import DEFAULT, PRETEND

    return _compiled(msgspec.structs.replace(DEFAULT, rules=(*PRETEND, *DEFAULT.rules)), architecture, ())


def _compiled(profile: Profile, architecture: str, lacking: tuple[str, ...]) -> Filter:
    from wherry.launch.seccomp.assemble import assemble, decide
    from wherry.launch.seccomp.rules import ENOSYS, EPERM, TIOCSTI, Rule, errno_action

    if lacking:
        first = Rule(lacking, errno_action(ENOSYS))
        profile = msgspec.structs.replace(profile, rules=(first, *profile.rules))
    answer = decide(profile, architecture, "ioctl", (0, TIOCSTI, 0, 0, 0, 0))
    return Filter(assemble(profile, architecture), answer == errno_action(EPERM))
